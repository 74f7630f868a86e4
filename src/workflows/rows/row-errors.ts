import type { JsonValue } from '../../common/json.js';
import { jsonPointer } from '../../common/json-pointer.js';
import type { RecordError } from '../../targets/target.js';
import type { RowErrorCode } from './row-error-codes.js';

const LONGEST_SHOWN = 60;
const LONGEST_POINTER = 300;

/** A text in double quotes, shortened, with control characters escaped: safe in any message. */
export function quoted(text: string): string {
  if (text.length <= LONGEST_SHOWN) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, LONGEST_SHOWN))}… (${text.length} characters)`;
}

/** As much of a text as a message has room for. */
export function shortened(text: string): string {
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)`;
}

/** What a row has, as a message shows it. */
export function shown(value: JsonValue): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** Refuses one column of a row. `rule` goes on after the column's name: `must be …`. */
export function columnError(column: string, code: RowErrorCode, rule: string): RecordError {
  return rowError(code, `${quoted(column)} ${rule}`, columnPointer(column));
}

/** Refuses a row. */
export function rowError(code: RowErrorCode, message: string, pointer?: string): RecordError {
  return pointer === undefined ? { code, message } : { code, message, pointer };
}

/** RFC 6901 pointer to the column, if it can be kept. */
export function columnPointer(column: string): string | undefined {
  return keptPointer(jsonPointer(column));
}

/** A pointer; none where the database could not hold it or nobody would read it. */
export function keptPointer(pointer: string): string | undefined {
  const isKept = pointer.length <= LONGEST_POINTER && !pointer.includes('\u0000') && pointer.isWellFormed();
  return isKept ? pointer : undefined;
}
