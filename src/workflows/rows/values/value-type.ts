import { BoundedMap } from '../../../platform/concurrency.js';
import { type JsonObject, type JsonValue } from '../../../platform/json/json-value.js';
import { nearestName, visiblyQuoted, jsonPointer } from '../../../platform/wording.js';
import type { RecordError } from '../../../records/target.js';
import type { AttributeDefinition } from '../../definition.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The numbers of a JSON object as written, by name: `JSON.parse` turns 0.10000000000000001 into 0.1 and 1e400 into
 * Infinity. The map contains only the object's own members, not those of nested objects. As with `JSON.parse`, the last
 * of several members with the same name counts. The text must be one that `JSON.parse` accepts as an object.
 */
export function numberLiterals(json: string): ReadonlyMap<string, string> {
  const literals = new Map<string, string>();
  let depth = 0;
  let index = 0;
  let name: string | null = null;
  while (index < json.length) {
    const code = json.charCodeAt(index);
    if (code === QUOTE) {
      const end = endOfString(json, index);
      // The first string is a name; a string after a name is its value.
      if (depth === 1 && name === null) name = nameAt(json, index, end);
      index = end;
    } else if (depth === 1 && name !== null && isNumberStart(code)) {
      const end = endOfNumber(json, index);
      literals.set(name, json.slice(index, end));
      index = end;
    } else {
      if (code === 0x7b || code === 0x5b) {
        if (depth === 1 && name !== null) literals.delete(name);
        depth += 1;
      } else if (code === 0x7d || code === 0x5d) depth -= 1;
      else if (code === 0x2c && depth === 1) name = null;
      index += 1;
    }
  }
  return literals;
}

/** The index after the closing quote. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end + 1;
}

function isEscaped(json: string, quote: number): boolean {
  let backslashes = 0;
  while (json.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

function nameAt(json: string, start: number, end: number): string {
  const name = json.slice(start + 1, end - 1);
  return name.includes('\\') ? (JSON.parse(json.slice(start, end)) as string) : name;
}

function isNumberStart(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}

/** The index after the number that begins at `start`. */
function endOfNumber(json: string, start: number): number {
  let end = start + 1;
  for (;;) {
    const code = json.charCodeAt(end);
    const isPart = (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2b || code === 0x2d;
    if (!isPart && code !== 0x65 && code !== 0x45) return end;
    end += 1;
  }
}

/** Matches texts that contain only characters that can stand between two strings of a JSON text. */
const ONLY_BETWEEN_STRINGS = /^[\s:,[\]{}0-9.eE+\-truefalsn]*$/;

/** Finds the written form of the numbers of one column, because a double may not hold them. */
export class NumberText {
  /**
   * The name in quotes. In a line without backslashes every quote begins or ends a string, so a match is always a whole
   * string. Names of mere punctuation are an exception, because they can also stand between two strings.
   */
  private readonly quotedName: string | null;

  constructor(private readonly column: string) {
    const name = JSON.stringify(column);
    const isPlain = name.length === column.length + 2 && !ONLY_BETWEEN_STRINGS.test(column);
    this.quotedName = isPlain ? name : null;
  }

  /** Returns `value` as the line spells it. Assumes that no object within the row has a member of the same name. */
  of(value: number, source: RowSource): string {
    if (this.quotedName !== null && !source.hasBackslash) {
      const { raw } = source;
      // The last match: JSON.parse takes the last of several members with the same name.
      const found = raw.lastIndexOf(this.quotedName);
      const start = found === -1 ? -1 : startOfValue(raw, found + this.quotedName.length);
      if (start !== -1 && isNumberStart(raw.charCodeAt(start)))
        return raw.slice(start, endOfNumber(raw, start));
    }
    return source.numberText(this.column, value);
  }
}

/** The index after the colon and white space that follow a name; -1 if the text that ends at `end` is not a name. */
function startOfValue(raw: string, end: number): number {
  let index = end;
  while (isWhiteSpace(raw.charCodeAt(index))) index += 1;
  if (raw.charCodeAt(index) !== 0x3a) return -1;
  index += 1;
  while (isWhiteSpace(raw.charCodeAt(index))) index += 1;
  return index;
}

function isWhiteSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;
}

/** Details of a row's values that only the line itself has. */
export class RowSource {
  /** Without a backslash, every name and text is written literally. */
  readonly hasBackslash: boolean;
  /**
   * Whether a string of the row may contain text that PostgreSQL cannot store: JSON can only write such text as an
   * escape.
   */
  readonly mayBeUnstorable: boolean;
  private literals: ReadonlyMap<string, string> | undefined;

  /** @param raw the JSON object as the client sent it */
  constructor(readonly raw: string) {
    this.hasBackslash = raw.includes('\\');
    this.mayBeUnstorable = this.hasBackslash && raw.includes('\\u');
  }

  /**
   * Returns a number as the line spells it. Reads the whole line; `NumberText` is faster for one column of many rows.
   */
  numberText(column: string, value: number): string {
    this.literals ??= numberLiterals(this.raw);
    return this.literals.get(column) ?? String(value);
  }
}

/**
 * Every reason to refuse a row before any instance is looked up. The codes are part of the API: `error.code` of a record.
 * @public docs/errors.md is generated from it.
 */
export const ROW_ERROR_CODES = {
  /** The row has both `:WorkflowActionId` and `:WorkflowActionName`. */
  action_chosen_twice: 'The row names its action by id and by name',
  /** Neither the row nor the import process chooses an action, and the step has several. */
  ambiguous_action: 'No action is chosen',
  /** Every identifier column of the row holds null, nothing or only white space. */
  no_identifier: 'No identifier has a value',
  not_a_boolean: 'Not yes or no',
  not_a_date: 'Not a calendar date',
  not_a_date_time: 'Not a date and time',
  not_a_number: 'Not a decimal number',
  not_a_time: 'Not a time of day',
  not_a_url: 'Not an http or https URL',
  not_an_email: 'Not an e-mail address',
  not_an_option: 'Not one of the options',
  /** More digits than can be kept. */
  number_too_long: 'A number has too many digits',
  /** The import process's own JSON Schema (`recordSchema`) refuses the row. */
  record_schema: 'The schema of the import process refuses the row',
  required: 'A required value is missing',
  /** An identifier is `#N/A` or another error value of a spreadsheet. */
  spreadsheet_error: 'An identifier is the error value of a spreadsheet',
  /** HTML elements nested deeper than any author writes. */
  rich_text_too_deep: 'Rich text is nested too deeply',
  /** The row meets the `when` of one of the action's rules, but not its `require`. */
  rule_violated: 'A rule of the action is broken',
  too_large: 'A number is larger than allowed',
  too_long: 'A text is longer than allowed',
  too_short: 'A text is shorter than allowed',
  too_small: 'A number is smaller than allowed',
  /** `:WorkflowActionId` or `:WorkflowActionName` names no action of the step. */
  unknown_action: 'The step has no such action',
  /** Neither an identifier, nor a `:Workflow…` column, nor an input of the action. */
  unknown_column: 'The action has no such input',
  /** PostgreSQL text holds neither U+0000 nor half of a surrogate pair. */
  unstorable_text: 'A text contains characters that the database cannot store',
  /** For example a text that is not a UUID. */
  wrong_format: 'The text does not have the form of the column',
  /** For example an object where a text is expected. */
  wrong_type: 'The value has the wrong type',
} as const;

type RowErrorCode = keyof typeof ROW_ERROR_CODES;

/**
 * The reason why a value is refused. `rule` continues after the column's name and states the accepted form: `must be
 * …`.
 */
export class ValueError {
  constructor(
    readonly code: RowErrorCode,
    readonly rule: string,
    /** Whether the message ends with the rejected value. */
    readonly showsFound = true,
    /** A further hint, after the rejected value. */
    readonly hint = '',
  ) {}
}

/** Reads the values of one column. Created once per attribute, used for every row. */
export interface ValueType {
  /**
   * Returns the canonical value, `null` if nothing is left to store, or the reason why the value is refused. Never
   * called with `null` or `''`, which clear the value for every type.
   */
  parse(value: JsonValue, source: RowSource): JsonValue | ValueError;
  /**
   * Whether `parse` surely answers neither an error nor null for a value that is not empty, as `PlainCheck` describes it.
   * Absent where `parse` is the fastest way to tell.
   */
  acceptsPlain?(bytes: Buffer, start: number, end: number, isText: boolean): boolean;
  /** JSON Schema of the values that `parse` accepts, as far as JSON Schema can express it: alternatives. */
  readonly schemas: readonly JsonObject[];
  /** The accepted form, for people who fill in a template. */
  readonly form: string;
  /** A sample value, as CSV text. */
  readonly example: string;
}

const LONGEST_SHOWN = 60;
const LONGEST_POINTER = 300;

/** A text in double quotes, shortened, with characters that cannot be seen escaped: safe in any message. */
export function quoted(text: string): string {
  if (text.length <= LONGEST_SHOWN) return visiblyQuoted(text);
  return `${visiblyQuoted(text.slice(0, LONGEST_SHOWN))}… (${text.length} characters)`;
}

/** A text, shortened for a message. */
export function shortened(text: string): string {
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)`;
}

/** A value of a row as messages show it. */
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

/** RFC 6901 pointer to the column; `undefined` if it cannot be stored. */
function columnPointer(column: string): string | undefined {
  return keptPointer(jsonPointer(column));
}

/** The pointer; `undefined` if the database cannot hold it or it is too long for people to read. */
export function keptPointer(pointer: string): string | undefined {
  const isKept = pointer.length <= LONGEST_POINTER && !pointer.includes('\u0000') && pointer.isWellFormed();
  return isKept ? pointer : undefined;
}

/** Comparing with more names would slow down the intake, which reads all lines on one thread. */
const MOST_COMPARED = 300;
const LONGEST_REMEMBERED = 100;
const MOST_REMEMBERED = 500;

/**
 * Suggests the known name closest to a mistyped one. Mistakes repeat (a wrong column is in every row of a file), so the
 * class remembers a bounded number of answers.
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

/** The rules of an attribute that holds text. */
export type TextAttribute = Pick<AttributeDefinition, 'name' | 'maxLength'>;

/** A number or a boolean stands for its text, exactly as written in the line. */
export function readText(value: JsonValue, numbers: NumberText, source: RowSource): string | ValueError {
  switch (typeof value) {
    case 'string':
      return source.mayBeUnstorable && !isStorable(value) ? UNSTORABLE : value;
    case 'number':
      return numbers.of(value, source);
    case 'boolean':
      return String(value);
    default:
      return new ValueError('wrong_type', 'must be a text');
  }
}

/** Refuses a text of more than `limit` characters (code points, as JSON Schema counts). */
export function lengthError(text: string, limit: number): ValueError | null {
  if (text.length <= limit) return null;
  const length = codePoints(text);
  if (length <= limit) return null;
  return new ValueError('too_long', `must have at most ${limit} characters; it has ${length}`, false);
}

export function textSchema(maxLength: number | undefined): JsonObject {
  return maxLength === undefined ? { type: 'string' } : { type: 'string', maxLength };
}

const UNSTORABLE = new ValueError(
  'unstorable_text',
  'must not contain U+0000 or half of a surrogate pair, which the database cannot store: remove it (in a CSV download such a half looks like \\ud83d)',
);

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000');
}

function codePoints(text: string): number {
  let count = text.length;
  for (let index = 1; index < text.length; index += 1) {
    const isPair =
      (text.charCodeAt(index) & 0xfc00) === 0xdc00 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800;
    if (isPair) count -= 1;
  }
  return count;
}
