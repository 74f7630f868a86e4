import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { RESULT_FORMATS, RESULT_SETS, type ResultFormat, type ResultSet } from '../result-set.js';

/** The query of `GET …/Batches/{id}/Results`. */
export class DownloadResultsDto {
  @ApiPropertyOptional({
    description:
      'failed = failed, invalid and unknown; unprocessed = pending and canceled; succeeded has skipped.',
    enum: RESULT_SETS,
    default: 'all',
  })
  @IsOptional()
  @IsIn(RESULT_SETS, { message: `set must be one of ${RESULT_SETS.join(', ')}` })
  set: ResultSet = 'all';

  @ApiPropertyOptional({ enum: RESULT_FORMATS, default: 'jsonl' })
  @IsOptional()
  @IsIn(RESULT_FORMATS, { message: `format must be one of ${RESULT_FORMATS.join(', ')}` })
  format: ResultFormat = 'jsonl';
}
