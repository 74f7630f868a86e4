import {
  DATE_ORDERS,
  DECIMAL_MARKS,
  EMPTY_CELLS,
  type MappedColumn,
  RECIPE_PARTS,
  TEXT_CASES,
  TRIMS,
} from '../formats/reading.js';
import type { ProblemDetail } from '../platform/errors.js';
import { jsonPointer, nearestName, visiblyQuoted } from '../platform/wording.js';

/*
 * The members of a mapping as requests send them: columns with their recipes, and constants. Each problem has its place
 * and a sentence that completes nothing, so that parameters and bodies can both show it.
 */

/** A longer name does not fit into a header. */
const MAX_NAME_LENGTH = 10_000;
const MAX_COLUMNS = 10_000;
const MAX_VALUES = 10_000;

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  trim: TRIMS,
  case: TEXT_CASES,
  dateOrder: DATE_ORDERS,
  decimalMark: DECIMAL_MARKS,
  emptyCells: EMPTY_CELLS,
};
const MEMBERS: readonly string[] = ['field', ...RECIPE_PARTS];

type Problems = ProblemDetail[];

/** Reads an object from headers to fields, to `null`, or to objects with a field and a recipe. */
export function readColumns(
  value: unknown,
  member: string,
): { columns: Record<string, MappedColumn>; problems: Problems } {
  const problems: Problems = [];
  const add = (message: string, ...path: string[]) =>
    problems.push({ pointer: jsonPointer(member, ...path), code: 'invalid_value', message });
  if (!isObject(value)) {
    add(`${member} must be a JSON object from headers of the file to fields, or to null`);
    return { columns: {}, problems };
  }
  const entries = Object.entries(value);
  if (entries.length > MAX_COLUMNS) add(`${member} must have at most 10,000 columns`);
  const columns: [string, MappedColumn][] = entries.slice(0, MAX_COLUMNS).map(([header, given]) => {
    if (!isStorable(header)) add(`${member} must not contain U+0000 or half of a surrogate pair`, header);
    if (!isObject(given)) {
      if (!isField(given)) add(fieldProblem(member, header), header);
      return [header, { field: typeof given === 'string' ? given : null }];
    }
    const field = given.field ?? null;
    if (!isField(field)) add(fieldProblem(member, header), header, 'field');
    for (const name of Object.keys(given)) {
      if (MEMBERS.includes(name)) continue;
      const near = nearestName(name, MEMBERS);
      add(`${name} is not known here${near === undefined ? '' : `: did you mean ${near}?`}`, header, name);
    }
    for (const [name, allowed] of Object.entries(CHOICES)) {
      if (given[name] === undefined || allowed.includes(given[name] as string)) continue;
      add(`${name} must be one of ${allowed.join(', ')}`, header, name);
    }
    const { values, default: standIn } = given;
    if (standIn !== undefined && !isStorable(standIn)) add('default must be text', header, 'default');
    if (values !== undefined && !isTextMap(values)) {
      add('values must be an object of at most 10,000 texts, from values of the file', header, 'values');
    }
    return [header, given as unknown as MappedColumn];
  });
  const read = columns.map(([header, column]) => [
    header,
    Object.fromEntries(
      MEMBERS.flatMap((name) => {
        const part = column[name as keyof MappedColumn];
        return part === undefined ? (name === 'field' ? [[name, null]] : []) : [[name, part]];
      }),
    ),
  ]);
  return { columns: Object.fromEntries(read) as Record<string, MappedColumn>, problems };
}

/** Reads an object from fields to values. @param removable whether `null` is a value, too */
export function readConstantValues<Removable extends boolean>(
  value: unknown,
  member: string,
  removable: Removable,
) {
  type Constants = Record<string, Removable extends true ? string | null : string>;
  const problems: Problems = [];
  const isRight =
    isObject(value) &&
    Object.keys(value).length <= MAX_COLUMNS &&
    Object.entries(value).every(
      ([field, constant]) =>
        field !== '' && isStorable(field) && (isStorable(constant) || (removable && constant === null)),
    );
  if (!isRight) {
    const message = `${member} must be a JSON object from fields to texts`;
    problems.push({ pointer: jsonPointer(member), code: 'invalid_value', message });
  }
  return { constants: (isRight ? value : {}) as Constants, problems };
}

function fieldProblem(member: string, header: string): string {
  return `${member} must map ${visiblyQuoted(header.slice(0, 60))} to the name of a field, or to null`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** PostgreSQL text can hold neither U+0000 nor half of a surrogate pair. */
function isStorable(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= MAX_NAME_LENGTH &&
    value.isWellFormed() &&
    !value.includes('\u0000')
  );
}

function isField(value: unknown): value is string | null {
  return value === null || (isStorable(value) && value !== '');
}

function isTextMap(value: unknown): boolean {
  return (
    isObject(value) &&
    Object.keys(value).length <= MAX_VALUES &&
    Object.entries(value).every(([from, to]) => isStorable(from) && isStorable(to))
  );
}
