import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
} from 'class-validator';
import { Length, Matches, Max, Min } from 'class-validator';
import { PERMISSIONS, type Permission } from '../permissions.js';

/** The body of `POST /API/ApiKeys`. */
export class CreateApiKeyDto {
  @ApiProperty({
    description: 'For people: who uses the key.',
    minLength: 1,
    maxLength: 100,
    example: 'Nightly CRM sync',
  })
  @Length(1, 100, { message: 'name must have 1 to 100 characters' })
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: 'name must not contain control characters' })
  name!: string;

  @ApiProperty({ enum: PERMISSIONS, isArray: true, example: ['BeginWorkflowImportProcess', 'ViewImports'] })
  @IsArray({ message: 'permissions must be an array' })
  @ArrayNotEmpty({ message: 'permissions must name at least one' })
  @ArrayUnique({ message: 'permissions must not name one twice' })
  @IsIn(PERMISSIONS, { each: true, message: `permissions must be some of ${PERMISSIONS.join(', ')}` })
  permissions!: Permission[];

  @ApiPropertyOptional({
    description: 'The only import processes the key may be used for; left out or null: all.',
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    nullable: true,
  })
  @IsOptional()
  @IsArray({ message: 'importProcessIds must be an array' })
  @ArrayNotEmpty({ message: 'importProcessIds must name at least one; leave it out to allow all' })
  @ArrayMaxSize(1000, { message: 'importProcessIds must name at most 1000' })
  @ArrayUnique({ message: 'importProcessIds must not name one twice' })
  @IsInt({ each: true, message: 'importProcessIds must be positive integers' })
  @Min(1, { each: true, message: 'importProcessIds must be positive integers' })
  @Max(Number.MAX_SAFE_INTEGER, { each: true, message: 'importProcessIds must be positive integers' })
  importProcessIds?: number[] | null;

  @ApiPropertyOptional({
    description: 'When the key stops working (RFC 3339); left out or null: never.',
    format: 'date-time',
    nullable: true,
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true }, { message: 'expiresAt must be an RFC 3339 time' })
  @Matches(/T.*(Z|[+-]\d\d:\d\d)$/i, { message: 'expiresAt must be a time with its offset from UTC' })
  expiresAt?: string | null;
}
