import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { BATCH_STATUSES, type BatchStatus } from '../../batch-state.js';
import { Integer } from './integer.js';

/** The query of `GET /API/WorkflowImportQueue/Batches`. */
export class ListBatchesDto {
  @ApiPropertyOptional({ enum: BATCH_STATUSES })
  @IsOptional()
  @IsIn(BATCH_STATUSES, { message: `status must be one of ${BATCH_STATUSES.join(', ')}` })
  status?: BatchStatus;

  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'importProcessId must be a positive integer' })
  @Min(1, { message: 'importProcessId must be a positive integer' })
  importProcessId?: number;

  @ApiPropertyOptional({
    description:
      'The whole stored value (`IMPORT_QUEUE_API:LH`) or only what was given with the call (`LH`).',
    example: 'LH',
  })
  @IsOptional()
  @Matches(/^[A-Z0-9_:]{1,40}$/, {
    message: 'creationPath must be a stored creation path such as IMPORT_QUEUE_API:LH, or its last part, LH',
  })
  creationPath?: string;

  @ApiPropertyOptional({ description: 'A part of the file name, in upper or lower case.', maxLength: 255 })
  @IsOptional()
  @Length(1, 255, { message: 'q must have 1 to 255 characters' })
  @Matches(/^[^\0]*$/, { message: 'q must not contain the character U+0000' })
  q?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 200' })
  @Min(1, { message: 'limit must be an integer from 1 to 200' })
  @Max(200, { message: 'limit must be an integer from 1 to 200' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the page before' })
  after?: string;
}
