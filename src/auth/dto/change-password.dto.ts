import { IsString, Length } from 'class-validator';
import { IsNewPassword, LONGEST_PASSWORD } from './password-rules.js';

/** People change their own password. */
export class ChangePasswordDto {
  @IsString({ message: 'currentPassword must be a text' })
  @Length(1, LONGEST_PASSWORD, { message: 'this is not your password' })
  currentPassword!: string;

  @IsNewPassword()
  newPassword!: string;

  @IsString({ message: 'this must be a text' })
  repeatedPassword!: string;
}
