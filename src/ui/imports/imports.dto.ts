import { Injectable, type PipeTransform } from '@nestjs/common';
import { IsIn, IsOptional, Length, Matches, MaxLength } from 'class-validator';
import { BATCH_STATUSES, type BatchStatus } from '../../batches/batch-state.js';
import { MAPPING_NAME } from '../../import-processes/mappings.dto.js';
import { PREVIEW_RESULTS, type PreviewResult } from '../../import-queue/batches.dto.js';
import { UNDO_RESULTS, type UndoResult } from '../../import-queue/undo.service.js';
import { defineErrors, type DomainError } from '../../platform/errors.js';
import { RECORD_STATUSES, type RecordStatus } from '../../records/record-status.js';
import { text } from '../texts/catalogue.js';

/** `refused`: failed, invalid and unknown records together. */
export type ShownRecords = 'all' | 'refused' | RecordStatus;
const SHOWN_RECORDS: readonly ShownRecords[] = ['all', 'refused', ...RECORD_STATUSES];

/** The query of the page of one import. */
export class ShowImportDto {
  @IsOptional()
  @IsIn(SHOWN_RECORDS, { message: `show must be one of ${SHOWN_RECORDS.join(', ')}` })
  show?: ShownRecords;

  /** Only failed records of one cause: its code, and the pattern of its messages. */
  @IsOptional()
  @MaxLength(200, { message: 'code must come from the link to the records of one cause' })
  code?: string;

  @IsOptional()
  @MaxLength(1000, { message: 'like must come from the link to the records of one cause' })
  like?: string;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;

  /** Before confirmation: only rows that would have this effect. */
  @IsOptional()
  @IsIn(PREVIEW_RESULTS, { message: `operation must be one of ${PREVIEW_RESULTS.join(', ')}` })
  operation?: PreviewResult;

  /** Before confirmation: the place of the next rows. A name of its own, since links to it outlive the confirmation. */
  @IsOptional()
  @MaxLength(200, { message: 'rows must come from the link to the next rows' })
  rows?: string;
}

/** The query of the page that shows what an undo would do. */
export class ShowUndoDto {
  @IsOptional()
  @IsIn(UNDO_RESULTS, { message: `operation must be one of ${UNDO_RESULTS.join(', ')}` })
  operation?: UndoResult;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}

/** The same query, from a page that was rendered when the batch had the status `was`. */
export class FollowImportDto extends ShowImportDto {
  @IsIn(BATCH_STATUSES, { message: `was must be one of ${BATCH_STATUSES.join(', ')}` })
  was!: BatchStatus;
}

/** The form that chooses a saved mapping; nothing: the one that fits. */
export class UseMappingDto {
  @IsOptional()
  @MaxLength(200, { message: 'use must be the name of a saved mapping' })
  use?: string;
}

/** The form that saves how a file was read. */
export class SaveMappingFormDto {
  @Matches(MAPPING_NAME, { message: text('confirmation.mapping.nameRule') })
  @Length(1, 200, { message: text('confirmation.mapping.nameRule') })
  name!: string;
}

/** The line in a path. Text that is not a line number is 404, so that no integer overflows in PostgreSQL. */
@Injectable()
export class RecordLinePipe implements PipeTransform<string, number> {
  transform(given: string): number {
    if (/^[1-9][0-9]{0,8}$/.test(given)) return Number(given);
    throw recordNotFound(text('record.notFound.noLine', { line: given.slice(0, 40) }));
  }
}

const recordErrors = defineErrors({
  record_not_found: { status: 404, title: 'The record does not exist' },
});

export function recordNotFound(detail: string): DomainError {
  return recordErrors.record_not_found(detail);
}
