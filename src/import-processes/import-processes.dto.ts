import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  Allow,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  IsString,
  IsTimeZone,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import {
  ANY_OBJECT,
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
  YES_OR_NO,
} from '../platform/http/answer-schemas.js';
import { AsSent, readReference, RESOURCE_KEY } from '../platform/http/validation.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { TargetConfiguration } from '../records/target.js';
import { PRIORITIES, type Priority } from '../batches/batch-state.js';
import { ATTRIBUTE_TYPES } from '../workflows/definition.js';
import type { ImportProcess, ImportProcessInput, ImportProcessSummary } from './import-process.js';
import { ImportProcessesService } from './import-processes.service.js';
import type { ProposedField } from './start/file-proposal.js';

/** PostgreSQL text can hold neither U+0000 nor half of a surrogate pair. */
const STORABLE = /^[^\0\p{Cs}]*$/u;
const ONE_LINE = /^[^\s\p{Cc}\p{Cs}](?:[^\p{Cc}\p{Cs}]*[^\s\p{Cc}\p{Cs}])?$/u;

/** The body that creates an import process. Members with a default can be omitted, but cannot be null. */
export class SaveImportProcessDto implements ImportProcessInput {
  @ApiProperty({
    description: 'Unique; people choose the import process by it.',
    example: 'Member import',
    maxLength: 200,
  })
  @Length(1, 200, { message: 'name must have 1 to 200 characters' })
  @Matches(ONE_LINE, { message: 'name must be one line of text without white space at its ends' })
  name!: string;

  @ApiPropertyOptional({
    description: 'Stands for the id wherever one is given. Unique; made from the name unless it is given.',
    pattern: RESOURCE_KEY.source,
    example: 'member-import',
  })
  @ValidateIf((_, value) => value !== undefined)
  @Matches(RESOURCE_KEY, {
    message: 'key must be 1 to 60 lower case letters, digits and hyphens, with at least one letter',
  })
  key?: string;

  @ApiPropertyOptional({ description: 'For users who import.', default: '', maxLength: 10_000 })
  @IsString({ message: 'description must be text' })
  @MaxLength(10_000, { message: 'description must have at most 10,000 characters' })
  @Matches(STORABLE, { message: 'description must not contain U+0000 or half of a surrogate pair' })
  description: string = '';

  @ApiPropertyOptional({ description: 'For administrators only.', default: '', maxLength: 10_000 })
  @IsString({ message: 'note must be text' })
  @MaxLength(10_000, { message: 'note must have at most 10,000 characters' })
  @Matches(STORABLE, { message: 'note must not contain U+0000 or half of a surrogate pair' })
  note: string = '';

  @ApiPropertyOptional({
    description: 'Name of an icon of the web interface.',
    default: '',
    example: 'users',
  })
  @Matches(/^[a-z0-9-]{0,64}$/, {
    message: 'icon must be the name of an icon: lower case letters, digits and "-"',
  })
  icon: string = '';

  @ApiPropertyOptional({ description: 'Lower numbers are shown first.', type: 'integer', default: 0 })
  @IsInt({ message: 'displayOrder must be an integer' })
  @Min(-1_000_000, { message: 'displayOrder must be at least -1000000' })
  @Max(1_000_000, { message: 'displayOrder must be at most 1000000' })
  displayOrder: number = 0;

  @ApiPropertyOptional({
    enum: ['active', 'disabled'],
    default: 'active',
    description: 'disabled: takes no new batches.',
  })
  @IsIn(['active', 'disabled'], { message: 'status must be active or disabled' })
  status: 'active' | 'disabled' = 'active';

  @ApiPropertyOptional({
    description:
      'Days for which the records of an ended batch are kept. null: as RETENTION_DAYS; 0: no limit.',
    type: 'integer',
    nullable: true,
    minimum: 0,
    maximum: 36_500,
  })
  @IsOptional()
  @IsInt({ message: 'retentionDays must be an integer, or null' })
  @Min(0, { message: 'retentionDays must be at least 0' })
  @Max(36_500, { message: 'retentionDays must be at most 36500' })
  retentionDays: number | null = null;

  @ApiPropertyOptional({ description: 'One chunk at a time, in line order.', default: false })
  @IsBoolean({ message: 'ordered must be true or false' })
  ordered: boolean = false;

  @ApiPropertyOptional({
    description: 'The share of the workers that its batches get beside others, unless a call says otherwise.',
    enum: PRIORITIES,
    default: 'normal',
  })
  @IsIn(PRIORITIES, { message: `priority must be one of ${PRIORITIES.join(', ')}` })
  priority: Priority = 'normal';

  @ApiPropertyOptional({
    description:
      'A batch pauses when more records than this have failed or are invalid, unless the call says otherwise. null: no limit.',
    type: 'integer',
    nullable: true,
    minimum: 0,
  })
  @IsOptional()
  @IsInt({ message: 'maxFailed must be a whole number, or null' })
  @Min(0, { message: 'maxFailed must be at least 0' })
  @Max(2_147_483_647, { message: 'maxFailed must be at most 2147483647' })
  maxFailed: number | null = null;

  @ApiPropertyOptional({
    description: 'Like maxFailed, in percent of all records of the batch. null: no limit.',
    type: 'number',
    nullable: true,
    minimum: 0,
    maximum: 100,
  })
  @IsOptional()
  @IsNumber({}, { message: 'maxFailedPercent must be a number from 0 to 100, or null' })
  @Min(0, { message: 'maxFailedPercent must be at least 0' })
  @Max(100, { message: 'maxFailedPercent must be at most 100' })
  maxFailedPercent: number | null = null;

  @ApiPropertyOptional({
    description: 'The time zone of times without an offset in files: a name of the IANA database.',
    default: 'UTC',
    example: 'Europe/Berlin',
  })
  @IsTimeZone({ message: 'timeZone must be a name of the IANA time zone database, such as Europe/Berlin' })
  timeZone: string = 'UTC';

  @ApiPropertyOptional({
    description:
      'Rows without any identifier create something new; otherwise they are invalid (no_identifier).',
    default: false,
  })
  @IsBoolean({ message: 'allowWithoutIdentifier must be true or false' })
  allowWithoutIdentifier: boolean = false;

  @ApiProperty({
    description:
      'What happens to a record. `kind` selects one of the built-in targets; each has its own members.',
    type: 'object',
    additionalProperties: true,
    example: {
      kind: 'workflow',
      workflow: 'grant-role',
      step: 'Import',
      action: 'Grant',
      onNoMatch: 'create',
      onMatch: 'update',
    },
  })
  @AsSent()
  @IsObject({ message: 'target must be an object' })
  target!: TargetConfiguration;

  @ApiPropertyOptional({
    description: 'JSON Schema 2020-12 of a row; for a workflow it narrows the rules of the workflow.',
    type: 'object',
    additionalProperties: true,
    nullable: true,
  })
  @AsSent()
  @IsOptional()
  @IsObject({ message: 'recordSchema must be an object' })
  recordSchema: JsonObject | null = null;
}

/** The body that replaces an import process. A client can edit our response and send it back. */
export class ReplaceImportProcessDto extends SaveImportProcessDto {
  @ApiPropertyOptional({
    description: 'The version that was edited: 409 version_conflict if it is not the current one.',
    type: 'integer',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsInt({ message: 'version must be a positive integer' })
  @Min(1, { message: 'version must be a positive integer' })
  version?: number;

  @ApiPropertyOptional({ description: 'Ignored: the address names the import process.', type: 'integer' })
  @Allow()
  id?: number;

  @ApiPropertyOptional({ description: 'Ignored.', format: 'date-time' })
  @Allow()
  createdAt?: string;

  @ApiPropertyOptional({ description: 'Ignored.', format: 'date-time' })
  @Allow()
  updatedAt?: string;
}

/** The query of `GET /API/WorkflowImportQueue/ImportProcesses`. */
export class ListImportProcessesDto {
  @ApiPropertyOptional({
    description: 'Omitted: all of them with the permission Configure, else the active ones.',
    enum: ['active', 'disabled'],
  })
  @IsOptional()
  @IsIn(['active', 'disabled'], { message: 'status must be active or disabled' })
  status?: 'active' | 'disabled';
}

/** The query of `GET …/ImportProcesses/{id}/Template`. */
export class TemplateDto {
  @ApiPropertyOptional({ enum: ['csv', 'jsonl', 'xlsx'], default: 'csv' })
  @IsOptional()
  @IsIn(['csv', 'jsonl', 'xlsx'], { message: 'format must be csv, jsonl or xlsx' })
  format: 'csv' | 'jsonl' | 'xlsx' = 'csv';
}

/** The id of an import process in a path. */
@Injectable()
export class ImportProcessIdPipe implements PipeTransform<string, Promise<number>> {
  constructor(private readonly importProcesses: ImportProcessesService) {}

  transform(idOrKey: string): Promise<number> {
    return this.importProcesses.idOf(readReference(idOrKey) ?? idOrKey.slice(0, 100));
  }
}

const importProcessSummary = {
  id: INTEGER,
  key: says('Stands for the id wherever one is given.', TEXT),
  version: INTEGER,
  name: TEXT,
  description: TEXT,
  icon: TEXT,
  displayOrder: INTEGER,
  status: choice('active', 'disabled'),
  ordered: says('One chunk at a time, in line order.', YES_OR_NO),
  timeZone: says('Of times without an offset in files.', TEXT),
  allowWithoutIdentifier: YES_OR_NO,
  createdAt: TIME,
  updatedAt: TIME,
};

/** The responses of the routes about import processes. */
export const IMPORT_PROCESS_SCHEMAS: Readonly<Record<string, Schema>> = {
  ImportProcess: objectOf<ImportProcess>({
    ...importProcessSummary,
    note: TEXT,
    priority: choice(...PRIORITIES),
    maxFailed: says('null: no limit.', orNull(INTEGER)),
    maxFailedPercent: says('Of all records; null: no limit.', orNull({ type: 'number' })),
    retentionDays: says('null: the default of the installation; 0: forever.', orNull(INTEGER)),
    target: {
      type: 'object',
      required: ['kind'],
      properties: { kind: TEXT },
      additionalProperties: true,
    },
    recordSchema: says('JSON Schema 2020-12 of a row.', orNull(ANY_OBJECT)),
  }),
  FileProposal: {
    type: 'object',
    required: ['fileName', 'rows', 'understood', 'fields', 'workflow', 'importProcess', 'mapping'],
    properties: {
      fileName: TEXT,
      rows: INTEGER,
      understood: says('How the file was read.', ANY_OBJECT),
      fields: arrayOf(
        objectOf<ProposedField>({
          header: says('The name of the column in the file.', TEXT),
          name: TEXT,
          type: choice(...ATTRIBUTE_TYPES),
          options: says('Of lists.', arrayOf(TEXT)),
          required: YES_OR_NO,
          identifier: YES_OR_NO,
          imported: YES_OR_NO,
          samples: says('The first different values.', arrayOf(TEXT)),
        }),
      ),
      workflow: says('For POST /API/Workflows.', ANY_OBJECT),
      importProcess: says('For POST …/ImportProcesses.', ANY_OBJECT),
      mapping: says('For Uploads: from headers to fields.', ANY_OBJECT),
    },
  },
  ImportProcessSummary: objectOf<ImportProcessSummary>(importProcessSummary),
  ImportProcessList: itemsOf({ anyOf: [refTo('ImportProcess'), refTo('ImportProcessSummary')] }),
};
