import { IsEmail, IsIn, MaxLength } from 'class-validator';
import { USER_ROLES, type UserRole } from '../users/user-role.js';
import { IsNewPassword } from './password-rules.js';

export class CreateUserDto {
  @IsEmail({ require_tld: false }, { message: 'email must be an e-mail address' })
  @MaxLength(254, { message: 'email must have at most 254 characters' })
  email!: string;

  @IsIn(USER_ROLES, { message: `role must be one of ${USER_ROLES.join(', ')}` })
  role!: UserRole;

  @IsNewPassword()
  password!: string;
}
