import { IsIn } from 'class-validator';
import { USER_ROLES, type UserRole } from '../users/user-role.js';

export class ChangeRoleDto {
  @IsIn(USER_ROLES, { message: `role must be one of ${USER_ROLES.join(', ')}` })
  role!: UserRole;
}
