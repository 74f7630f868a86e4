import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import type { ImportProcess } from '../../import-processes/import-process.js';
import { ReplaceImportProcessDto } from '../../import-processes/import-processes.dto.js';
import { DomainError, type ProblemDetail } from '../../platform/domain-error.js';
import { httpErrors } from '../../platform/http/http.errors.js';
import { validateBody } from '../../platform/http/validation.js';
import { text } from '../texts/catalogue.js';

const TEXT = { message: '$property must be text' };

/** The form of a file type. The rules of import processes check its texts. */
export class FileTypeFormDto {
  @IsOptional() @IsString(TEXT) name?: string;
  @IsOptional() @IsString(TEXT) description?: string;
  @IsOptional() @IsString(TEXT) note?: string;
  @IsOptional() @IsString(TEXT) icon?: string;
  @IsOptional() @IsString(TEXT) displayOrder?: string;
  @IsOptional()
  @IsIn(['active', 'disabled'], { message: 'status must be active or disabled' })
  status?: string;
  @IsOptional() @IsIn(['yes'], { message: 'ordered must be yes or missing' }) ordered?: string;
  @IsOptional() @IsString(TEXT) priority?: string;
  @IsOptional() @IsString(TEXT) maxFailed?: string;
  @IsOptional() @IsString(TEXT) maxFailedPercent?: string;
  @IsOptional() @IsString(TEXT) retentionDays?: string;
  @IsOptional() @IsString(TEXT) timeZone?: string;
  @IsOptional()
  @IsIn(['yes'], { message: 'allowWithoutIdentifier must be yes or missing' })
  allowWithoutIdentifier?: string;
  /** One of the offered workflow actions, as the JSON of `{workflow, step, action}`, or `other`: see `target`. */
  @IsOptional() @IsString(TEXT) performs?: string;
  @IsOptional() @IsString(TEXT) onNoMatch?: string;
  @IsOptional() @IsString(TEXT) onMatch?: string;
  @IsOptional() @IsIn(['yes'], { message: 'muteBehaviors must be yes or missing' }) muteBehaviors?: string;
  /** The target as JSON, where `performs` is `other` or blank. */
  @IsOptional() @IsString(TEXT) target?: string;
  @IsOptional() @IsString(TEXT) recordSchema?: string;
  /** The version that was edited. */
  @IsOptional() @MaxLength(12, { message: 'version must be a number' }) version?: string;
}

/** The form that tests one row. */
export class TryRowDto {
  @IsString({ message: 'row must be a JSON object' })
  row!: string;
}

/** The button beside a saved mapping. */
export class RemoveMappingDto {
  @IsString({ message: 'name must be the name of a saved mapping' })
  name!: string;
}

/** The choice for an action that is not offered: the target states it. */
export const OTHER = 'other';

/**
 * Reads a submitted form as if it had been sent to the API, by the same rules.
 * @throws DomainError 400 `invalid_body` with a pointer to each wrong member
 */
export function readFileType(form: FileTypeFormDto): ReplaceImportProcessDto {
  try {
    return read(form);
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'invalid_body') throw error;
    const errors = error.options.errors?.map((mistake) => inTheForm(mistake, form));
    const message = text('fileType.error.notSaved');
    throw httpErrors.invalid_body(message, { errors, cause: error });
  }
}

/** Without a chosen action there is no target: the error asks people to choose one. */
function inTheForm(mistake: ProblemDetail, { performs, target }: FileTypeFormDto): ProblemDetail {
  if (mistake.pointer !== '/target' || mistake.code !== 'missing_value' || target !== undefined)
    return mistake;
  return performs === OTHER
    ? { ...mistake, message: text('fileType.error.writeTarget') }
    : { ...mistake, pointer: '/performs', message: text('fileType.chooseAction') };
}

function read(form: FileTypeFormDto): ReplaceImportProcessDto {
  const { name, description, note, icon, displayOrder, status, ordered, version } = form;
  return validateBody(ReplaceImportProcessDto, {
    name: name?.trim() || undefined,
    description: description ?? '',
    note: note ?? '',
    icon: icon ?? '',
    displayOrder: displayOrder === undefined ? 0 : Number(displayOrder),
    status: status ?? 'active',
    ordered: ordered === 'yes',
    priority: form.priority ?? 'normal',
    maxFailed: numberOrNull(form.maxFailed),
    maxFailedPercent: numberOrNull(form.maxFailedPercent),
    retentionDays: numberOrNull(form.retentionDays),
    timeZone: form.timeZone?.trim() || 'UTC',
    allowWithoutIdentifier: form.allowWithoutIdentifier === 'yes',
    target: targetOf(form),
    recordSchema:
      form.recordSchema === undefined
        ? null
        : parsed(form.recordSchema, 'recordSchema', text('fileType.error.rowSchema')),
    ...(version !== undefined && { version: Number(version) }),
  });
}

/** A field that was left empty is null; one without a number is NaN, which the rules refuse. */
function numberOrNull(field: string | undefined): number | null {
  return field === undefined ? null : Number(field.replace(',', '.'));
}

function targetOf({ performs, onNoMatch, onMatch, muteBehaviors, target }: FileTypeFormDto): unknown {
  if (performs === undefined || performs === OTHER)
    return target === undefined ? undefined : parsed(target, 'target', text('fileType.error.target'));
  return {
    kind: 'workflow',
    ...(parsed(performs, 'target', text('fileType.error.action')) as object),
    onNoMatch,
    onMatch,
    ...(muteBehaviors === 'yes' && { muteBehaviors: true }),
  };
}

function parsed(json: string, member: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const message = text('fileType.error.notJson', { what, reason: (error as Error).message });
    throw httpErrors.invalid_body(message, {
      errors: [{ pointer: `/${member}`, code: 'malformed_json', message }],
      cause: error,
    });
  }
}

/** The form of an import process. */
export function formOf(process: ImportProcess, offered: ReadonlySet<string>): FileTypeFormDto {
  const { name, description, note, icon, displayOrder, status, ordered, target, recordSchema, version } =
    process;
  const performs = performsOf(target);
  const isOffered = performs !== undefined && offered.has(performs);
  const stringOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return {
    ...{
      name,
      description,
      note,
      icon,
      status,
      version: String(version),
      displayOrder: String(displayOrder),
    },
    ordered: ordered ? 'yes' : undefined,
    priority: process.priority,
    maxFailed: process.maxFailed?.toString(),
    maxFailedPercent: process.maxFailedPercent?.toString(),
    retentionDays: process.retentionDays?.toString(),
    timeZone: process.timeZone,
    allowWithoutIdentifier: process.allowWithoutIdentifier ? 'yes' : undefined,
    ...(isOffered
      ? {
          performs,
          onNoMatch: stringOf(target.onNoMatch),
          onMatch: stringOf(target.onMatch),
          muteBehaviors: target.muteBehaviors === true ? 'yes' : undefined,
        }
      : { performs: OTHER, target: JSON.stringify(target, null, 2) }),
    recordSchema: recordSchema === null ? undefined : JSON.stringify(recordSchema, null, 2),
  };
}

/** The value that identifies an action among those offered. */
export function performsOf(target: {
  kind?: unknown;
  workflow?: unknown;
  step?: unknown;
  action?: unknown;
}): string | undefined {
  const { kind, workflow, step, action } = target;
  return kind === 'workflow' ? JSON.stringify({ workflow, step, action }) : undefined;
}
