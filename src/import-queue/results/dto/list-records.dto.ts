import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { RECORD_STATUSES, type RecordStatus } from '../../record-status.js';
import { Integer } from './integer.js';

/** The query of `GET …/Batches/{id}/Records`. */
export class ListRecordsDto {
  @ApiPropertyOptional({ enum: RECORD_STATUSES })
  @IsOptional()
  @IsIn(RECORD_STATUSES, { message: `status must be one of ${RECORD_STATUSES.join(', ')}` })
  status?: RecordStatus;

  @ApiPropertyOptional({
    description: 'At most so many; a page of very long lines ends earlier, and says so with nextCursor.',
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
  })
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
