import type { RecordRow } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import {
  fieldOf,
  type FixCause,
  type FixedRow,
  type FixSuggestion,
} from '../../import-queue/fix-drafts.service.js';
import type { CompiledTarget, RecordError } from '../../records/target.js';
import { importPath, recordPath } from '../layout/navigation.js';
import { type RowField, rowFields } from '../new-import/row-form.js';
import { text } from '../texts/catalogue.js';

/** Fields that a page shows although no row has them: with more, a row would be too wide to read. */
const FEW_FIELDS = 12;

/** Identifiers begin with a colon, which means nothing to a person. */
export const fieldLabel = (name: string): string => name.replace(/^:/, '');

/** A column of the grid. */
export interface GridColumn {
  name: string;
  label: string;
  required: boolean;
  hint: string;
  field: RowField | null;
}

/** The columns that the rows of a page need: those of the file type that they use, then any others that they have. */
export function gridColumns(rules: CompiledTarget, rows: readonly FixedRow[]): GridColumn[] {
  const used = new Set(
    rows.flatMap(({ payload, errors }) => [
      ...jsonMembers(payload).keys(),
      ...errors.flatMap(({ pointer }) => fieldOf(pointer) ?? []),
    ]),
  );
  const fields = rowFields(rules, new Map(), null);
  const shown = fields.filter(
    ({ name, required }) => required || used.has(name) || fields.length <= FEW_FIELDS,
  );
  const known = new Set(fields.map(({ name }) => name));
  return [
    ...shown.map((field) => ({
      name: field.name,
      label: fieldLabel(field.name),
      required: field.required,
      hint: field.hint,
      field,
    })),
    ...[...used]
      .filter((name) => !known.has(name))
      .map((name) => ({
        name,
        label: fieldLabel(name),
        required: false,
        hint: text('fix.unknownColumn'),
        field: null,
      })),
  ];
}

/** A cell as the form shows it. */
interface GridCell {
  label: string;
  /** Absent: the browser cannot carry the value unchanged, so it is not edited here. */
  field: string | null;
  value: string;
  kind: 'text' | 'area' | 'select' | 'date';
  inputMode: string | null;
  options: { value: string; text: string; selected: boolean }[];
  changed: boolean;
  error: string | null;
  errorId: string;
}

/** @param sent the row without the changes of the draft */
export function gridRow(
  batchId: number,
  sent: RecordRow,
  row: FixedRow,
  columns: readonly GridColumn[],
  send: boolean,
) {
  const before = jsonMembers(sent.payload);
  const now = jsonMembers(row.payload);
  const errors = new Map<string | null, string>();
  for (const error of row.errors) {
    const field = fieldOf(error.pointer);
    const message = errors.get(field);
    errors.set(field, message === undefined ? messageOf(error) : `${message} ${messageOf(error)}`);
  }
  const shown = new Set(columns.map(({ name }) => name));
  const ofRow = [...errors]
    .filter(([field]) => field === null || !shown.has(field))
    .map(([, message]) => message);
  return {
    line: sent.line,
    path: recordPath(batchId, sent.line),
    send,
    changed: row.isChanged,
    valid: row.errors.length === 0,
    error: ofRow.length === 0 ? null : ofRow.join(' '),
    cells: columns.map((column, index): GridCell => {
      const value = cellText(now.get(column.name)) ?? '';
      const kind = kindOf(column, value);
      return {
        label: column.label,
        field: /\0/.test(value) ? null : `cell:${sent.line}:${column.name}`,
        value,
        kind,
        inputMode: column.field?.type === 'number' ? 'decimal' : null,
        options: kind === 'select' ? optionsOf(column, value) : [],
        changed: before.get(column.name) !== now.get(column.name),
        error: errors.get(column.name) ?? null,
        errorId: `error-${sent.line}-${index}`,
      };
    }),
  };
}

/** A row that was sent again already. */
export function doneRow({ line }: Pick<RecordRow, 'line'>, batchId: number, child: number) {
  return {
    line,
    path: recordPath(batchId, line),
    done: text('fix.doneIn', { id: child }),
    donePath: importPath(child),
  };
}

function kindOf({ field }: GridColumn, value: string): GridCell['kind'] {
  // A one-line field would drop the line breaks.
  if (/[\r\n]/.test(value) || value.length > 80) return 'area';
  if (field?.type === 'select') return 'select';
  // A date field shows nothing for a text that is not a day, and the person could not see what to correct.
  return field?.type === 'date' && /^(\d{4}-\d{2}-\d{2})?$/.test(value) ? 'date' : 'text';
}

/** The options of the field, and the present value if it is not one of them. */
function optionsOf({ field }: GridColumn, value: string) {
  const offered = ['', ...(field?.options ?? []).map((option) => option.value)];
  const all = offered.includes(value) ? offered : [value, ...offered];
  return all.map((option) => ({
    value: option,
    text: offered.includes(option) ? option : text('fix.notAnOption', { value: option }),
    selected: option === value,
  }));
}

/** The sentence, and the code after it. */
const messageOf = ({ message, code }: Pick<RecordError, 'message' | 'code'>) => `${message} (${code})`;

/** The field and the value of a cause, as the form sends them back; `null` if its rows do not have one value. */
export function causeKey({ field, value }: FixCause, fields: ReadonlySet<string>): string | null {
  return field !== null && value !== null && fields.has(field)
    ? JSON.stringify({ field, from: value })
    : null;
}

/** A cause as a button that replaces one value in all rows. */
export function causeView(cause: FixCause, index: number, rules: CompiledTarget) {
  const { field, value, count, message, code, sampleLine } = cause;
  const column =
    field === null ? undefined : rowFields(rules, new Map(), null).find(({ name }) => name === field);
  const from = causeKey(cause, new Set(column === undefined ? [] : [column.name]));
  return {
    index,
    count,
    sampleLine,
    message,
    code,
    title: field === null ? message : causeTitle(fieldLabel(field), from === null ? null : value),
    from,
    options: column?.type === 'select' ? column.options.map((option) => option.value) : null,
  };
}

function causeTitle(field: string, value: string | null): string {
  if (value === null) return text('fix.causeOther', { field });
  return text(value === '' ? 'fix.causeEmpty' : 'fix.causeValue', { field, value });
}

export function suggestionView({ to, replacements, count }: FixSuggestion) {
  return { text: text('fix.applySuggestion', { to, count }), value: JSON.stringify(replacements) };
}
