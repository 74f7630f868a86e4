import { applyDecorators } from '@nestjs/common';
import { IsString, Length } from 'class-validator';

export const SHORTEST_PASSWORD = 10;
export const LONGEST_PASSWORD = 256;

/** Long rather than odd: rules about digits and signs make passwords that are noted down. */
export const IsNewPassword = (field: string) =>
  applyDecorators(
    IsString({ message: `${field} must be a text` }),
    Length(SHORTEST_PASSWORD, LONGEST_PASSWORD, {
      message: `${field} must have ${SHORTEST_PASSWORD} to ${LONGEST_PASSWORD} characters`,
    }),
  );
