import { IsOptional, IsString, Length, Matches } from 'class-validator';

/** The form of the sign-in page. */
export class SignInDto {
  @Matches(/^[^\p{Cc}\p{Cs}]{1,254}$/u, { message: 'email must be your e-mail address' })
  email!: string;

  @IsString({ message: 'password must be a text' })
  @Length(1, 256, { message: 'password must have 1 to 256 characters' })
  password!: string;

  /** Where to go then. */
  @IsOptional()
  @IsString({ message: 'next must be a path' })
  next?: string;
}
