import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import type { ImportProcess } from '../../import-processes/import-process.js';
import { ReplaceImportProcessDto } from '../../import-processes/import-processes.dto.js';
import { DomainError, type ProblemDetail } from '../../platform/domain-error.js';
import { validateBody } from '../../platform/http/validation.js';

const TEXT = { message: '$property must be a text' };

/** The form of a file type. What its texts may be is for the import process's own rules to say. */
export class FileTypeFormDto {
  @IsOptional() @IsString(TEXT) name?: string;
  @IsOptional() @IsString(TEXT) description?: string;
  @IsOptional() @IsString(TEXT) note?: string;
  @IsOptional() @IsString(TEXT) icon?: string;
  @IsOptional() @IsString(TEXT) displayOrder?: string;
  @IsOptional()
  @IsIn(['active', 'disabled'], { message: 'status must be active or disabled' })
  status?: string;
  @IsOptional() @IsIn(['yes'], { message: 'ordered is ticked or not' }) ordered?: string;
  /** One of the offered workflow actions, as the JSON of `{workflow, step, action}`, or `other`: see `target`. */
  @IsOptional() @IsString(TEXT) performs?: string;
  @IsOptional() @IsString(TEXT) onNoMatch?: string;
  @IsOptional() @IsString(TEXT) onMatch?: string;
  @IsOptional() @IsIn(['yes'], { message: 'muteBehaviors is ticked or not' }) muteBehaviors?: string;
  /** The target as JSON, where `performs` is `other` or blank. */
  @IsOptional() @IsString(TEXT) target?: string;
  @IsOptional() @IsString(TEXT) recordSchema?: string;
  /** The version that was edited. */
  @IsOptional() @MaxLength(12, { message: 'version must be a number' }) version?: string;
}

/** The form that tries one row. */
export class TryRowDto {
  @IsString({ message: 'row must be a JSON object' })
  row!: string;
}

/** The button beside a header that stands for something else. */
export class ForgetColumnDto {
  @IsString({ message: 'header must be the header of a column' })
  header!: string;
}

/** What is chosen where a row performs none of the offered actions, but what the target says. */
export const OTHER = 'other';

/**
 * A submitted form as the API would have been sent it, and checked by the same rules.
 * @throws DomainError 400 `invalid_body` with a pointer to each wrong member
 */
export function readFileType(form: FileTypeFormDto): ReplaceImportProcessDto {
  try {
    return read(form);
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'invalid_body') throw error;
    const errors = error.options.errors?.map((mistake) => inTheForm(mistake, form));
    const message = 'Nothing was saved. Mend what is marked, and save it again.';
    throw new DomainError(400, 'invalid_body', 'The form is not usable', message, { errors, cause: error });
  }
}

/** Where nothing was chosen that a row performs, there is no target: people are asked to choose. */
function inTheForm(mistake: ProblemDetail, { performs, target }: FileTypeFormDto): ProblemDetail {
  if (mistake.pointer !== '/target' || mistake.code !== 'missing_value' || target !== undefined)
    return mistake;
  return performs === OTHER
    ? { ...mistake, message: 'Write the target, as JSON' }
    : { ...mistake, pointer: '/performs', message: 'Choose what it performs' };
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
    target: targetOf(form),
    recordSchema:
      form.recordSchema === undefined ? null : parsed(form.recordSchema, 'recordSchema', 'row schema'),
    ...(version !== undefined && { version: Number(version) }),
  });
}

function targetOf({ performs, onNoMatch, onMatch, muteBehaviors, target }: FileTypeFormDto): unknown {
  if (performs === undefined || performs === OTHER)
    return target === undefined ? undefined : parsed(target, 'target', 'target');
  return {
    kind: 'workflow',
    ...(parsed(performs, 'target', 'action') as object),
    onNoMatch,
    onMatch,
    ...(muteBehaviors === 'yes' && { muteBehaviors: true }),
  };
}

function parsed(text: string, member: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `The ${what} is not JSON: ${(error as Error).message}`;
    throw new DomainError(400, 'invalid_body', 'The form is not usable', message, {
      errors: [{ pointer: `/${member}`, code: 'malformed_json', message }],
      cause: error,
    });
  }
}

/** An import process as its form shows it. */
export function formOf(process: ImportProcess, offered: ReadonlySet<string>): FileTypeFormDto {
  const { name, description, note, icon, displayOrder, status, ordered, target, recordSchema, version } =
    process;
  const performs = performsOf(target);
  const isOffered = performs !== undefined && offered.has(performs);
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
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
    ...(isOffered
      ? {
          performs,
          onNoMatch: text(target.onNoMatch),
          onMatch: text(target.onMatch),
          muteBehaviors: target.muteBehaviors === true ? 'yes' : undefined,
        }
      : { performs: OTHER, target: JSON.stringify(target, null, 2) }),
    recordSchema: recordSchema === null ? undefined : JSON.stringify(recordSchema, null, 2),
  };
}

/** What identifies an action among those offered. */
export function performsOf(target: {
  kind?: unknown;
  workflow?: unknown;
  step?: unknown;
  action?: unknown;
}): string | undefined {
  const { kind, workflow, step, action } = target;
  return kind === 'workflow' ? JSON.stringify({ workflow, step, action }) : undefined;
}
