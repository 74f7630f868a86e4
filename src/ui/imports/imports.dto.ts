import { Injectable, type PipeTransform } from '@nestjs/common';
import { IsIn, IsOptional, MaxLength } from 'class-validator';
import { BATCH_STATUSES, type BatchStatus } from '../../batches/batch-state.js';
import { DomainError } from '../../platform/domain-error.js';
import { RECORD_STATUSES, type RecordStatus } from '../../records/record-status.js';

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

/** The line in a path. What cannot be one has no record: 404, and no integer ever overflows in PostgreSQL. */
@Injectable()
export class RecordLinePipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
    const detail = `"${text.slice(0, 40)}" is no line of a file: lines are counted from 1.`;
    throw new DomainError(404, 'record_not_found', 'There is no such record', detail);
  }
}
