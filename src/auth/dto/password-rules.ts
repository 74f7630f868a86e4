import { applyDecorators } from '@nestjs/common';
import { IsString, Length } from 'class-validator';

export const SHORTEST_PASSWORD = 10;
export const LONGEST_PASSWORD = 256;

/** Long rather than odd: rules about digits and signs make passwords that are noted down. */
export const IsNewPassword = () =>
  applyDecorators(
    IsString({ message: 'the password must be a text' }),
    Length(SHORTEST_PASSWORD, LONGEST_PASSWORD, {
      message: `the password must have ${SHORTEST_PASSWORD} to ${LONGEST_PASSWORD} characters`,
    }),
  );
