import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsEmail, IsInt, IsOptional, Length, Matches, Min } from 'class-validator';

/** The query of `POST /API/WorkflowImportQueue/CreateBatch`; the body is the records. */
export class CreateBatchDto {
  @ApiProperty({
    description: 'Shown in Recent Imports; need not be the name of a file.',
    minLength: 1,
    maxLength: 255,
    example: 'members-2026-11-24.jsonl',
  })
  @Length(1, 255, { message: 'fileName must have 1 to 255 characters' })
  // Those that turn the direction of a text make "invoice.exe" out of another name.
  @Matches(/^[^\p{Cc}\u202a-\u202e\u2066-\u2069]*$/u, {
    message: 'fileName must not contain control characters',
  })
  fileName!: string;

  @ApiProperty({
    description: 'The import process (file type) the records are for.',
    type: 'integer',
    minimum: 1,
    example: 1,
  })
  @Transform(({ value }) => (/^[0-9]{1,15}$/.test(String(value)) ? Number(value) : Number.NaN))
  @IsInt({ message: 'importProcessId must be a positive integer' })
  @Min(1, { message: 'importProcessId must be a positive integer' })
  importProcessId!: number;

  @ApiPropertyOptional({
    description:
      'Your name for the way the batch came in; stored as `IMPORT_QUEUE_API:` and this value, and searchable.',
    pattern: '^[A-Z0-9_]{1,15}$',
    example: 'LH',
  })
  @IsOptional()
  @Matches(/^[A-Z0-9_]{1,15}$/, { message: 'creationPath must be 1 to 15 of the characters A-Z, 0-9 and _' })
  creationPath?: string;

  @ApiPropertyOptional({
    description: 'Gets a mail when the batch ended and every record succeeded.',
    format: 'email',
  })
  @IsOptional()
  @IsEmail({ require_tld: false }, { message: 'sendSuccessEmailTo must be one e-mail address' })
  sendSuccessEmailTo?: string;

  @ApiPropertyOptional({
    description: 'Gets a mail when any record failed or was invalid, or the batch failed.',
    format: 'email',
  })
  @IsOptional()
  @IsEmail({ require_tld: false }, { message: 'sendFailureEmailTo must be one e-mail address' })
  sendFailureEmailTo?: string;
}
