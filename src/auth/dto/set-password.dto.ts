import { IsNewPassword } from './password-rules.js';

/** An administrator gives somebody another password. */
export class SetPasswordDto {
  @IsNewPassword()
  password!: string;
}
