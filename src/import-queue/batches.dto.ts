import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
} from 'class-validator';
import { IsMoment } from '../auth/audit-trail.js';
import { BATCH_STATUSES } from '../batches/batch-state.js';
import { PREVIEW_RESULTS, type PreviewResult } from '../batches/previews.sql.js';
import { LAST_LINE } from '../batches/record-pages.js';
import { UNKNOWN_RESOLUTIONS, type UnknownResolution } from '../batches/records.sql.js';
import { Integer } from '../platform/http/validation.js';
import {
  RECORD_STATUSES,
  type RecordStatus,
  RESULT_FORMATS,
  RESULT_SETS,
  RESULT_SHAPES,
  type ResultFormat,
  type ResultSet,
  type ResultShape,
} from '../records/record-status.js';
import { ImportProcessReference } from './create-batch.dto.js';
import { UNDO_RESULTS, type UndoResult } from './undo.service.js';

export { PREVIEW_RESULTS, type PreviewResult };

const isBatchStatus = (text: string) => BATCH_STATUSES.some((status) => status === text);

/** Sent as `status=queued,paused`. The options of a property do not have these members, but parameters keep them. */
const SEVERAL_STATUSES: ApiPropertyOptions = Object.assign(
  { enum: BATCH_STATUSES, isArray: true as const, description: 'Any of these.' },
  { style: 'form', explode: false },
);

/** The query of `GET /API/WorkflowImportQueue/Batches`. */
export class ListBatchesDto {
  @ApiPropertyOptional(SEVERAL_STATUSES)
  @IsOptional()
  @ValidateBy({
    name: 'areStatuses',
    validator: {
      validate: (list: unknown) => typeof list === 'string' && list.split(',').every(isBatchStatus),
      defaultMessage: () =>
        `status must be one or several, separated by commas, of ${BATCH_STATUSES.join(', ')}`,
    },
  })
  status?: string;

  @ApiPropertyOptional({ description: 'Its id or its key.', type: 'string' })
  @IsOptional()
  @ImportProcessReference()
  importProcessId?: number;

  @ApiPropertyOptional({
    description: 'The stored value (`IMPORT_QUEUE_API:LH`) or only the part that the call stated (`LH`).',
    example: 'LH',
  })
  @IsOptional()
  @Matches(/^[A-Z0-9_:]{1,40}$/, {
    message: 'creationPath must be a stored creation path such as IMPORT_QUEUE_API:LH, or its last part, LH',
  })
  creationPath?: string;

  @ApiPropertyOptional({ description: 'A part of the file name, ignoring case.', maxLength: 255 })
  @IsOptional()
  @Length(1, 255, { message: 'q must have 1 to 255 characters' })
  @Matches(/^[^\0]*$/, { message: 'q must not contain the character U+0000' })
  q?: string;

  @ApiPropertyOptional({
    description: 'Batches created at this time or later: a day (UTC) or an RFC 3339 time.',
  })
  @IsOptional()
  @IsMoment('createdAfter')
  createdAfter?: string;

  @ApiPropertyOptional({ description: 'Batches created before this time. A day includes its batches.' })
  @IsOptional()
  @IsMoment('createdBefore')
  createdBefore?: string;

  @ApiPropertyOptional({
    description: 'The value of `createdBy`, the e-mail address of a user, or the name of a key.',
    example: 'user:3',
  })
  @IsOptional()
  @Length(1, 255, { message: 'createdBy must have 1 to 255 characters' })
  @Matches(/^[^\0]*$/, { message: 'createdBy must not contain the character U+0000' })
  createdBy?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 200' })
  @Min(1, { message: 'limit must be an integer from 1 to 200' })
  @Max(200, { message: 'limit must be an integer from 1 to 200' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;
}

/** A line number. */
function Line() {
  const options = { message: `$property must be an integer from 1 to ${LAST_LINE}` };
  return applyDecorators(Integer(), IsInt(options), Min(1, options), Max(LAST_LINE, options));
}

/** The query of `GET …/Batches/{id}/Records`. */
export class ListRecordsDto {
  @ApiPropertyOptional({ enum: RECORD_STATUSES })
  @IsOptional()
  @IsIn(RECORD_STATUSES, { message: `status must be one of ${RECORD_STATUSES.join(', ')}` })
  status?: RecordStatus;

  @ApiPropertyOptional({
    description: 'Only records with an error of this code.',
    maxLength: 100,
  })
  @IsOptional()
  @Matches(/^[A-Za-z0-9_.:-]{1,100}$/, { message: 'errorCode must be an error code such as invalid_option' })
  errorCode?: string;

  @ApiPropertyOptional({ description: 'Only this line.', type: 'integer', minimum: 1 })
  @IsOptional()
  @Line()
  line?: number;

  @ApiPropertyOptional({ description: 'Only this line and those after it.', type: 'integer', minimum: 1 })
  @IsOptional()
  @Line()
  fromLine?: number;

  @ApiPropertyOptional({
    description: 'The most records of a page. A page of very long lines ends earlier and has a nextCursor.',
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

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;
}

/** The query of `GET …/Batches/{id}/Results`. */
export class DownloadResultsDto {
  @ApiPropertyOptional({
    description:
      'failed = failed, invalid and unknown; unprocessed = pending and canceled; succeeded includes skipped.',
    enum: RESULT_SETS,
    default: 'all',
  })
  @IsOptional()
  @IsIn(RESULT_SETS, { message: `set must be one of ${RESULT_SETS.join(', ')}` })
  set: ResultSet = 'all';

  @ApiPropertyOptional({
    description: 'Default: the format of the file that was sent (ODS: xlsx), jsonl for CreateBatch.',
    enum: RESULT_FORMATS,
  })
  @IsOptional()
  @IsIn(RESULT_FORMATS, { message: `format must be one of ${RESULT_FORMATS.join(', ')}` })
  format?: ResultFormat;

  @ApiPropertyOptional({
    description: 'JSON Lines: each record with its outcome, or just the record, exactly as it was sent.',
    enum: RESULT_SHAPES,
    default: 'wrapped',
  })
  @IsOptional()
  @IsIn(RESULT_SHAPES, { message: `shape must be one of ${RESULT_SHAPES.join(', ')}` })
  shape: ResultShape = 'wrapped';

  @ApiPropertyOptional({
    description:
      'Delimiter of CSV: one character, or comma, semicolon, tab, pipe, colon, space. Default: that of the file that was sent, else comma.',
    example: 'semicolon',
  })
  @IsOptional()
  @Matches(/^([^"\r\n\ud800-\udfff]|comma|semicolon|tab|pipe|colon|space)$/, {
    message: 'delimiter must be one character, or comma, semicolon, tab, pipe, colon or space',
  })
  delimiter?: string;

  @ApiPropertyOptional({
    description:
      'Encoding of CSV, by its name in the Encoding Standard. Default: that of the file that was sent, else utf-8. ' +
      'The file is UTF-8 if the encoding lacks a character of a value, and its name then ends in -utf-8.',
    example: 'windows-1252',
  })
  @IsOptional()
  @Matches(/^[A-Za-z0-9._:-]{1,40}$/, {
    message: 'encoding must be the name of an encoding, for example utf-8',
  })
  encoding?: string;

  @ApiPropertyOptional({
    description: 'Whether CSV in UTF-8 begins with a byte order mark, by which Excel knows the encoding.',
    enum: ['true', 'false'],
    default: 'true',
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'bom must be true or false' })
  bom?: 'true' | 'false';
}

/** The query of `GET …/Batches/{id}/UndoPreview`. */
export class UndoPreviewDto {
  @ApiPropertyOptional({
    description:
      'With an operation, a page may have fewer records than limit and still have a nextCursor. unchanged: an earlier, canceled undo has reverted the record.',
    enum: UNDO_RESULTS,
  })
  @IsOptional()
  @IsIn(UNDO_RESULTS, { message: `operation must be one of ${UNDO_RESULTS.join(', ')}` })
  operation?: UndoResult;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 500, default: 50 })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 500' })
  @Min(1, { message: 'limit must be an integer from 1 to 500' })
  @Max(500, { message: 'limit must be an integer from 1 to 500' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;
}

/** The query of `GET …/Batches/{id}/Preview`. */
export class PreviewDto {
  @ApiPropertyOptional({ enum: PREVIEW_RESULTS })
  @IsOptional()
  @IsIn(PREVIEW_RESULTS, { message: `operation must be one of ${PREVIEW_RESULTS.join(', ')}` })
  operation?: PreviewResult;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 500, default: 50 })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 500' })
  @Min(1, { message: 'limit must be an integer from 1 to 500' })
  @Max(500, { message: 'limit must be an integer from 1 to 500' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;
}

const MOST_RESOLVED = 10_000;

/** The body of `POST …/Batches/{id}/Resolve`. */
export class ResolveDto {
  @ApiProperty({
    description:
      'delivered: the receiver has the records; they become `succeeded`. not_delivered: it does not have them; they become `failed`.',
    enum: UNKNOWN_RESOLUTIONS,
  })
  @IsIn(UNKNOWN_RESOLUTIONS, { message: `outcome must be one of ${UNKNOWN_RESOLUTIONS.join(', ')}` })
  outcome!: UnknownResolution;

  @ApiPropertyOptional({
    description: 'Their line numbers. Without it, all unknown records of the batch.',
    type: [Number],
    minItems: 1,
    maxItems: MOST_RESOLVED,
  })
  @IsOptional()
  @IsArray({ message: 'lines must be a list of line numbers' })
  @ArrayNotEmpty({ message: 'lines must name a line' })
  @ArrayMaxSize(MOST_RESOLVED, { message: `lines must have at most ${MOST_RESOLVED} items` })
  @IsInt({ each: true, message: 'lines must be line numbers' })
  @Min(1, { each: true, message: 'lines must be line numbers' })
  @Max(LAST_LINE, { each: true, message: 'lines must be line numbers' })
  lines?: number[];
}
