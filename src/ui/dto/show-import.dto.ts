import { IsIn, IsOptional, MaxLength } from 'class-validator';
import { RECORD_STATUSES, type RecordStatus } from '../../import-queue/record-status.js';

/** `refused`: failed, invalid and unknown together. */
export const SHOWN_RECORDS = ['all', 'refused', ...RECORD_STATUSES] as const;
export type ShownRecords = 'all' | 'refused' | RecordStatus;

/** The query of the page of one import. */
export class ShowImportDto {
  @IsOptional()
  @IsIn(SHOWN_RECORDS, { message: `show must be one of ${SHOWN_RECORDS.join(', ')}` })
  show?: ShownRecords;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}
