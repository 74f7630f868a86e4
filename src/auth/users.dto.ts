import { applyDecorators, Injectable, type PipeTransform } from '@nestjs/common';
import { IsEmail, IsIn, IsOptional, IsString, isUUID, Length, Matches, MaxLength } from 'class-validator';
import { PathIdPipe } from '../platform/http/validation.js';
import { sessionNotFound, userNotFound } from './auth.errors.js';
import { LONGEST_PASSWORD, SHORTEST_PASSWORD } from './passwords.js';
import { IsImportProcessLimit, USER_ROLES, type UserRole } from './principal.js';

/** Long rather than complex: rules about digits and symbols lead to passwords that users write down. */
const IsNewPassword = () =>
  applyDecorators(
    IsString({ message: 'the password must be text' }),
    Length(SHORTEST_PASSWORD, LONGEST_PASSWORD, {
      message: `the password must have ${SHORTEST_PASSWORD} to ${LONGEST_PASSWORD} characters`,
    }),
  );

/** The form of the sign-in page. */
export class SignInDto {
  @Matches(/^[^\p{Cc}\p{Cs}]{1,254}$/u, { message: 'email must be your e-mail address' })
  email!: string;

  @IsString({ message: 'password must be text' })
  @Length(1, 256, { message: 'password must have 1 to 256 characters' })
  password!: string;

  /** The path to open afterwards. */
  @IsOptional()
  @IsString({ message: 'next must be a path' })
  next?: string;
}

/** Users change their own password. */
export class ChangePasswordDto {
  @IsString({ message: 'currentPassword must be text' })
  @Length(1, LONGEST_PASSWORD, { message: 'this is not your password' })
  currentPassword!: string;

  @IsNewPassword()
  newPassword!: string;

  @IsString({ message: 'this must be text' })
  repeatedPassword!: string;
}

export class CreateUserDto {
  @IsEmail({ require_tld: false }, { message: 'email must be an e-mail address' })
  @MaxLength(254, { message: 'email must have at most 254 characters' })
  email!: string;

  @IsIn(USER_ROLES, { message: `role must be one of ${USER_ROLES.join(', ')}` })
  role!: UserRole;

  /** Absent: the user is invited by mail. */
  @IsOptional()
  @IsNewPassword()
  password?: string;

  /** The only import processes the user may use; absent or null: all. */
  @IsOptional()
  @IsImportProcessLimit()
  importProcessIds?: number[] | null;
}

export class ChangeAccessDto {
  @IsIn(USER_ROLES, { message: `role must be one of ${USER_ROLES.join(', ')}` })
  role!: UserRole;

  /** The only import processes the user may use; null: all; absent: the limit stays as it is. */
  @IsOptional()
  @IsImportProcessLimit()
  importProcessIds?: number[] | null;
}

/** An administrator sets the password of a user. */
export class SetPasswordDto {
  @IsNewPassword()
  password!: string;
}

/** Someone has forgotten the password. */
export class ForgottenPasswordDto {
  @Matches(/^[^\p{Cc}\p{Cs}]{1,254}$/u, { message: 'email must be your e-mail address' })
  email!: string;
}

/** The owner of a link sets a password. */
export class NewPasswordDto {
  @Matches(/^[\w-]{43}$/, { message: 'the link is incomplete' })
  token!: string;

  @IsNewPassword()
  newPassword!: string;

  @IsString({ message: 'this must be text' })
  repeatedPassword!: string;
}

/** The id of a user in a path. */
@Injectable()
export class UserIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return userNotFound(id);
  }
}

/** The id of a session in a path. */
@Injectable()
export class SessionIdPipe implements PipeTransform<string, string> {
  transform(text: string): string {
    if (!isUUID(text)) throw sessionNotFound(text);
    return text;
  }
}
