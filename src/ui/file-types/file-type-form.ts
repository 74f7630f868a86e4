import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import type { ImportProcess } from '../../import-processes/import-process.js';
import { ReplaceImportProcessDto } from '../../import-processes/import-processes.dto.js';
import { DomainError, type ProblemDetail } from '../../platform/errors.js';
import { httpErrors } from '../../platform/http/http.errors.js';
import { validateBody, validateForm } from '../../platform/http/validation.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { excerpt } from '../../platform/wording.js';
import { withQuery } from '../layout/navigation.js';
import { text } from '../texts/catalogue.js';
import { tableRows } from '../workflows/field-table.js';

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
  /** The schema of a row as JSON; without it, the table of columns states the schema. */
  @IsOptional() @IsString(TEXT) recordSchema?: string;
  /** The schema that the table of columns edits, as JSON. */
  @IsOptional() @IsString(TEXT) schemaBefore?: string;
  /** The rows of the table of columns. */
  columns?: EnteredColumn[];
  /** The version that was edited. */
  @IsOptional() @MaxLength(12, { message: 'version must be a number' }) version?: string;
}

/** The button beside a saved mapping. */
export class RemoveMappingDto {
  @IsString({ message: 'name must be the name of a saved mapping' })
  name!: string;
}

/** @throws DomainError 400 `invalid_body` for fields that the form does not have */
export function fileTypeForm(sent: unknown): FileTypeFormDto {
  const fields = Object.entries((sent ?? {}) as Record<string, unknown>);
  const form = validateForm(
    FileTypeFormDto,
    Object.fromEntries(fields.filter(([name]) => !name.startsWith(`${SCHEMA}:`))),
  );
  const columns = enteredColumns(sent);
  return columns === undefined ? form : Object.assign(form, { columns });
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
    recordSchema: schemaOf(form),
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

function schemaOf({ recordSchema, schemaBefore, columns }: FileTypeFormDto): unknown {
  const words = text('fileType.error.rowSchema');
  if (columns === undefined)
    return recordSchema === undefined ? null : parsed(recordSchema, 'recordSchema', words);
  const before = schemaBefore === undefined ? null : parsed(schemaBefore, 'recordSchema', words);
  return schemaWith(columns, before as JsonObject | null);
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
    columns: columnsIn(recordSchema),
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

/** A row of the table in which people state the columns of a row: `schema:{row}:{member}` for each member. */
interface EnteredColumn {
  name: string;
  /** `other`: its rules are not shown in the table, and stay as they are. */
  type: ColumnType | 'other';
  required: boolean;
  /** The allowed values. */
  values: string[];
  minLength: string;
  maxLength: string;
  pattern: string;
  /** The name before it was edited; empty for a new column. */
  before: string;
}

const SCHEMA = 'schema';
const RULES = ['enum', 'minLength', 'maxLength'] as const;

/** Cells of files are texts, so that each type accepts its text, too. */
const TYPES = {
  any: {},
  text: { type: 'string' },
  number: { type: ['number', 'string'], pattern: '^[+-]?[0-9]+(\\.[0-9]+)?$' },
  integer: { type: ['integer', 'string'], pattern: '^[+-]?[0-9]+$' },
  boolean: { type: ['boolean', 'string'], enum: [true, false, 'true', 'false'] },
  date: { type: 'string', format: 'date' },
  dateTime: { type: 'string', format: 'date-time' },
  email: { type: 'string', format: 'email' },
  url: { type: 'string', format: 'uri' },
} as const satisfies Record<string, JsonObject>;

type ColumnType = keyof typeof TYPES;
const COLUMN_TYPES = Object.keys(TYPES) as ColumnType[];
/** The types whose values can have a list, lengths and a pattern. */
const LIMITED: ReadonlySet<string> = new Set(['any', 'text']);

/** The rows of the table in a form; `undefined` if the form states the schema as JSON. */
function enteredColumns(form: unknown): EnteredColumn[] | undefined {
  const rows = tableRows(form, SCHEMA);
  if (rows.length === 0) return undefined;
  return rows
    .map((members): EnteredColumn => {
      const of = (member: string) => members.get(member)?.trim() ?? '';
      const values = of('values')
        .split(/\r?\n/)
        .map((each) => each.trim());
      return {
        ...{ name: of('name'), before: members.get('before') ?? '', required: members.has('required') },
        ...{ minLength: of('minLength'), maxLength: of('maxLength'), pattern: of('pattern') },
        type: COLUMN_TYPES.find((type) => type === of('type')) ?? (of('type') === 'other' ? 'other' : 'any'),
        values: [...new Set(values.filter((each) => each !== ''))],
      };
    })
    .filter(({ name, before }) => name !== '' || before !== '');
}

/** The columns that a schema names. */
function columnsIn(schema: JsonObject | null): EnteredColumn[] {
  const required = Array.isArray(schema?.required) ? schema.required : [];
  const properties = isObject(schema?.properties) ? schema.properties : {};
  return Object.entries(properties).map(([name, rules]): EnteredColumn => {
    const column: Omit<EnteredColumn, 'type'> = {
      ...{ name, before: name, required: required.includes(name), values: [] as string[] },
      ...{ minLength: '', maxLength: '', pattern: '' },
    };
    const type: EnteredColumn['type'] = isObject(rules) ? typeOf(rules) : 'other';
    if (!isObject(rules) || !LIMITED.has(type)) return { ...column, type };
    const { enum: values, minLength, maxLength, pattern } = rules;
    return {
      ...{ ...column, type },
      values: Array.isArray(values) ? values.map(String) : [],
      minLength: typeof minLength === 'number' ? String(minLength) : '',
      maxLength: typeof maxLength === 'number' ? String(maxLength) : '',
      pattern: typeof pattern === 'string' ? pattern : '',
    };
  });
}

/** The type whose rules these are, besides those that the table has columns for; else `other`. */
function typeOf(rules: JsonObject): ColumnType | 'other' {
  const isType = (type: ColumnType) => {
    const shape: JsonObject = TYPES[type];
    const isLimited = LIMITED.has(type);
    return (
      (!isLimited || isList(rules.enum)) &&
      ['type', 'format', ...(isLimited ? [] : ['pattern', 'enum'])].every(
        (keyword) => JSON.stringify(rules[keyword]) === JSON.stringify(shape[keyword]),
      ) &&
      (isLimited || RULES.every((keyword) => keyword in shape || !(keyword in rules)))
    );
  };
  return COLUMN_TYPES.find(isType) ?? 'other';
}

/** Whether a form can show these allowed values, one per line. */
const isList = (values: JsonValue | undefined) =>
  !Array.isArray(values) || values.every((each) => typeof each === 'string' && /^\S(.*\S)?$/.test(each));

/** The schema with these columns. What the table does not show stays as it was; `null` if nothing is left. */
function schemaWith(columns: readonly EnteredColumn[], schema: JsonObject | null): JsonObject | null {
  const before = isObject(schema?.properties) ? schema.properties : {};
  const kept = columns.filter(({ name }) => name !== '');
  if (kept.length === 0 && Object.keys(before).length === 0) return schema;
  refuseMistakes(kept);
  const { properties: _properties, required: obligatory, ...rest } = schema ?? {};
  if (kept.length === 0) return Object.keys(rest).every((keyword) => keyword === 'type') ? null : rest;
  const ofOthers = (Array.isArray(obligatory) ? obligatory : []).filter(
    (name) => typeof name === 'string' && !Object.hasOwn(before, name),
  );
  const required = [...ofOthers, ...kept.filter((column) => column.required).map(({ name }) => name)];
  return {
    ...(schema === null && { type: 'object' }),
    ...rest,
    properties: Object.fromEntries(
      kept.map((column) => [column.name, rulesOf(column, before[column.before] ?? {})]),
    ),
    ...(required.length > 0 && { required }),
  };
}

/** Rows of the table of columns that are empty, for new columns. */
const BLANK_COLUMNS = 3;
const NEW_COLUMN: EnteredColumn = {
  ...{ name: '', before: '', type: 'any', required: false, values: [] },
  ...{ minLength: '', maxLength: '', pattern: '' },
};

/** The rules of rows, as a table of columns or as JSON. */
export function schemaView(
  { recordSchema, schemaBefore, columns = [] }: FileTypeFormDto,
  page: string,
  asJson: boolean,
) {
  const blank = Array.from({ length: BLANK_COLUMNS }, () => NEW_COLUMN);
  const before = schemaBefore ?? recordSchema;
  return {
    asJson,
    otherPath: asJson ? `${page}#columns` : `${withQuery(page, { as: 'json' })}#columns`,
    before,
    rows: [...columns, ...blank].map((column, index) => ({
      ...column,
      index,
      label: column.name || text('fileType.newColumn', { number: index + 1 }),
      values: column.values.join('\n'),
      isOther: column.type === 'other',
      rules: column.type === 'other' ? rulesText(before, column.before) : null,
      types: [...COLUMN_TYPES, ...(column.type === 'other' ? (['other'] as const) : [])].map((type) => ({
        value: type,
        text: text(`fileType.columnTypes.${type}`),
        selected: type === column.type,
      })),
    })),
  };
}

function rulesText(schema: string | undefined, name: string): string {
  const { properties = {} } = JSON.parse(schema ?? '{}') as { properties?: Record<string, unknown> };
  return excerpt(JSON.stringify(properties[name]) ?? '', 120);
}

/** @throws DomainError 400 `invalid_body` */
function refuseMistakes(columns: readonly EnteredColumn[]): void {
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  const wrong = columns.find(({ minLength, maxLength }) => !/^\d*$/.test(minLength + maxLength));
  const message =
    twice !== undefined
      ? text('fileType.error.columnTwice', { name: twice })
      : wrong && text('fileType.error.columnLength', { name: wrong.name });
  if (message === undefined) return;
  throw httpErrors.invalid_body(message, {
    errors: [{ pointer: '/recordSchema', code: 'invalid_value', message }],
  });
}

function rulesOf(
  { type, values, minLength, maxLength, pattern }: EnteredColumn,
  before: JsonValue,
): JsonValue {
  if (type === 'other') return before;
  const shown = ['type', 'format', 'pattern', ...RULES];
  const others = Object.entries(isObject(before) ? before : {}).filter(
    ([keyword]) => !shown.includes(keyword),
  );
  const rules = { ...TYPES[type], ...Object.fromEntries(others) };
  if (!LIMITED.has(type)) return rules;
  return {
    ...rules,
    ...(values.length > 0 && { enum: values }),
    ...(minLength !== '' && { minLength: Number(minLength) }),
    ...(maxLength !== '' && { maxLength: Number(maxLength) }),
    ...(pattern !== '' && { pattern }),
  };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
