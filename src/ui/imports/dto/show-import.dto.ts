import { IsIn, IsOptional, MaxLength } from 'class-validator';
import { BATCH_STATUSES, type BatchStatus } from '../../../import-queue/batch-state.js';
import { RECORD_STATUSES, type RecordStatus } from '../../../import-queue/record-status.js';

/** `refused`: failed, invalid and unknown together. */
export const SHOWN_RECORDS = ['all', 'refused', ...RECORD_STATUSES] as const;
export type ShownRecords = 'all' | 'refused' | RecordStatus;

/** The query of the page of one import. */
export class ShowImportDto {
  @IsOptional()
  @IsIn(SHOWN_RECORDS, { message: `show must be one of ${SHOWN_RECORDS.join(', ')}` })
  show?: ShownRecords;

  /** Only refused records of one cause: its code, and the pattern of its messages. */
  @IsOptional()
  @MaxLength(200, { message: 'code must come from the link to the records of one cause' })
  code?: string;

  @IsOptional()
  @MaxLength(1000, { message: 'like must come from the link to the records of one cause' })
  like?: string;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}

/** The same, for a page that was made when the batch had the status `was`. */
export class FollowImportDto extends ShowImportDto {
  @IsIn(BATCH_STATUSES, { message: `was must be one of ${BATCH_STATUSES.join(', ')}` })
  was!: BatchStatus;
}
