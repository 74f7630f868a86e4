import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEmail, IsInt, IsOptional, Length, Matches, Min } from 'class-validator';
import { Integer } from '../platform/http/validation.js';

const CREATION_PATH = /^[A-Z0-9_]{1,15}$/;

/** Mail servers read quoted local parts in different ways, so one of them could name another recipient. */
const RECIPIENT = { require_tld: false, blacklisted_chars: '"' } as const;

/** The query of `POST /API/WorkflowImportQueue/CreateBatch`; the body is the records. */
export class CreateBatchDto {
  @ApiProperty({
    description: 'Shown in Recent Imports. It need not be the name of a file.',
    minLength: 1,
    maxLength: 255,
    example: 'members.jsonl',
  })
  @Length(1, 255, { message: 'fileName must have 1 to 255 characters' })
  // Characters that reverse the direction of text can make another name look like "invoice.exe".
  @Matches(/^[^\p{Cc}\u202a-\u202e\u2066-\u2069]*$/u, {
    message: 'fileName must not contain control characters',
  })
  fileName!: string;

  @ApiProperty({
    description: 'The import process (file type) that the records are for.',
    type: 'integer',
    minimum: 1,
    example: 1,
  })
  @Integer()
  @IsInt({ message: 'importProcessId must be a positive integer' })
  @Min(1, { message: 'importProcessId must be a positive integer' })
  importProcessId!: number;

  @ApiPropertyOptional({
    description:
      'Your name for the source of the batch. Stored as `IMPORT_QUEUE_API:` and this value; batches can be searched by it.',
    pattern: CREATION_PATH.source,
    example: 'LH',
  })
  @IsOptional()
  @Matches(CREATION_PATH, { message: 'creationPath must be 1 to 15 of the characters A-Z, 0-9 and _' })
  creationPath?: string;

  @ApiPropertyOptional({
    description: 'Receives a mail if the batch ends and every record succeeded.',
    format: 'email',
  })
  @IsOptional()
  @IsEmail(RECIPIENT, { message: 'sendSuccessEmailTo must be one e-mail address' })
  sendSuccessEmailTo?: string;

  @ApiPropertyOptional({
    description: 'Receives a mail if a record failed or was invalid, or the batch failed.',
    format: 'email',
  })
  @IsOptional()
  @IsEmail(RECIPIENT, { message: 'sendFailureEmailTo must be one e-mail address' })
  sendFailureEmailTo?: string;
}
