import { jsonPointer, type JsonValue } from '../../../platform/json/json-value.js';
import { BoundedMap } from '../../../platform/bounded-map.js';
import { nearestName } from '../../../platform/wording.js';
import type { RecordError } from '../../../records/target.js';
import type { RowErrorCode } from './value-type.js';

const LONGEST_SHOWN = 60;
const LONGEST_POINTER = 300;

/** A text in double quotes, shortened, with control characters escaped: safe in any message. */
export function quoted(text: string): string {
  if (text.length <= LONGEST_SHOWN) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, LONGEST_SHOWN))}… (${text.length} characters)`;
}

/** A text, shortened for a message. */
export function shortened(text: string): string {
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)`;
}

/** A value of a row in a message. */
export function shown(value: JsonValue): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** Refuses one column of a row. `rule` continues after the column's name: `must be …`. */
export function columnError(column: string, code: RowErrorCode, rule: string): RecordError {
  return rowError(code, `${quoted(column)} ${rule}`, columnPointer(column));
}

/** Refuses a row. */
export function rowError(code: RowErrorCode, message: string, pointer?: string): RecordError {
  return pointer === undefined ? { code, message } : { code, message, pointer };
}

/** RFC 6901 pointer to the column, if it can be stored. */
function columnPointer(column: string): string | undefined {
  return keptPointer(jsonPointer(column));
}

/** The pointer; `undefined` if the database cannot hold it or it is too long to be read. */
export function keptPointer(pointer: string): string | undefined {
  const isKept = pointer.length <= LONGEST_POINTER && !pointer.includes('\u0000') && pointer.isWellFormed();
  return isKept ? pointer : undefined;
}

/** Comparing with more names would delay the intake, which reads all lines on one thread. */
const MOST_COMPARED = 300;
const LONGEST_REMEMBERED = 100;
const MOST_REMEMBERED = 500;

/**
 * Suggests the known name closest to a mistyped one. Mistakes repeat (a wrong column is in every row of a file), so a
 * bounded number of answers is remembered.
 */
export class NearestName {
  private readonly hints = new BoundedMap<string, string>(MOST_REMEMBERED);
  private readonly known: readonly string[];

  constructor(names: Iterable<string>) {
    const known = [...names];
    this.known = known.length > MOST_COMPARED ? [] : known;
  }

  /** ` Did you mean "…"?`, or nothing. */
  hint(name: string): string {
    const remembered = this.hints.get(name);
    if (remembered !== undefined) return remembered;
    const nearest = nearestName(name, this.known);
    const hint = nearest === undefined ? '' : ` Did you mean ${JSON.stringify(nearest)}?`;
    if (name.length <= LONGEST_REMEMBERED) this.hints.set(name, hint);
    return hint;
  }
}
