import type { JsonObject } from '../../platform/json/json-value.js';
import { RECORD_STATUSES } from '../../records/record-status.js';

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Receives each member: its key, and the start and end of its value in the text. */
export type MemberVisitor = (key: string, start: number, end: number) => void;

/**
 * Visits the members of a JSON object without parsing their values. It works character by character, because a download
 * visits every record twice and must be fast, and because regular expressions exhaust the stack on a string with many
 * escapes.
 * @param text a JSON object that was parsed when it was received, so its syntax is not checked again
 */
export function visitMembers(text: string, visit: MemberVisitor): void {
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(text, at);
    const start = skipSpace(text, text.indexOf(':', keyEnd) + 1);
    const end = endOfValue(text, start);
    visit(stringAt(text, at, keyEnd), start, end);
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
}

/**
 * The members of a JSON object, each value with the exact characters that were sent: numbers keep every digit, and
 * integer-like keys keep their place. A duplicate key keeps its first place and its last value, as in JSON.parse.
 */
export function jsonMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  visitMembers(text, (key, start, end) => members.set(key, text.slice(start, end)));
  return members;
}

/**
 * The first key that occurs twice in one object of a JSON text, at any depth; `null` if none does. JSON.parse would
 * silently keep only the last of its values.
 * @param parsed the object that JSON.parse made of the text; most rows are flat, and comparing two numbers is enough
 */
export function findDuplicateKey(text: string, parsed: object): string | null {
  const isFlat = text.indexOf('{', text.indexOf('{') + 1) === -1;
  if (isFlat && countMembers(text) === Object.keys(parsed).length) return null;
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (expectsKey && keys) {
        const key = stringAt(text, at, end);
        if (keys.has(key)) return key;
        keys.add(key);
        expectsKey = false;
      }
      at = end;
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) open.push(code === OPEN_BRACE ? new Set() : null);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) open.pop();
    if (code === OPEN_BRACE || code === COMMA) expectsKey = true;
    at += 1;
  }
  return null;
}

/** The number of members of a flat object: the colons outside its strings. */
function countMembers(text: string): number {
  let count = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COLON) count += 1;
    at = code === QUOTE ? endOfString(text, at) : at + 1;
  }
  return count;
}

/** The most levels of objects and arrays in one record. */
export const MAX_NESTING = 64;

/**
 * The UTF-16 index of the first bracket that nests deeper than `limit` levels of objects and arrays, or -1. Most lines
 * are flat, and two fast searches recognize them.
 */
export function findTooDeepNesting(json: string, limit: number): number {
  if (json.indexOf('[') === -1 && json.indexOf('{', json.indexOf('{') + 1) === -1) return -1;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const code = json.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1;
      if (depth > limit) return index;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
  }
  return -1;
}

/**
 * A member as text: a string unchanged, `null` as the empty text (both clear a value), any other value as its JSON.
 * Answers `null` only if the record lacks the member, which leaves a value unchanged.
 */
export function memberText(json: string | undefined): string | null {
  if (json === undefined) return null;
  if (json === 'null') return '';
  return json.charCodeAt(0) === QUOTE ? stringAt(json, 0, json.length) : json;
}

/** Like `memberText`, for a page: unpaired surrogates must stay visible there instead of turning into U+FFFD. */
export function cellText(json: string | undefined): string | null {
  const text = memberText(json);
  if (text?.isWellFormed() !== false) return text;
  return text.replace(UNPAIRED, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);
}

const UNPAIRED = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** The string with its quotes at `start` and just before `end`. */
function stringAt(text: string, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1);
  return inner.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : inner;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  // Outside strings, valid JSON contains only four characters up to the space, all of them white space.
  while (text.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(text, start);
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    // NaN: the end of the text.
    if (code === COMMA || code === CLOSE_BRACE || code <= SPACE || Number.isNaN(code)) return at;
    at += 1;
  }
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    at += 1;
  } while (depth > 0 && at < text.length);
  return at;
}

function endOfString(text: string, start: number): number {
  let quote = start;
  let escapes: number;
  do {
    quote = text.indexOf('"', quote + 1);
    if (quote === -1) return text.length;
    escapes = 0;
    while (text.charCodeAt(quote - 1 - escapes) === BACKSLASH) escapes += 1;
  } while (escapes % 2 === 1);
  return quote + 1;
}

/** How a line of one of our own JSON Lines downloads holds the record. */
export interface RecordWrapper {
  /** The member that holds the record. */
  holder: 'record' | 'attributes';
  /** All members of such a line, sorted. */
  members: readonly string[];
  optional: readonly string[];
}

/** A line of the results of a batch, and of an export of instances. */
const WRAPPERS: readonly RecordWrapper[] = [
  {
    holder: 'record',
    members: ['error', 'line', 'operation', 'record', 'reference', 'status'],
    optional: ['originLine'],
  },
  {
    holder: 'attributes',
    members: ['attributes', 'createdAt', 'id', 'status', 'step', 'updatedAt', 'workflow'],
    optional: [],
  },
];

export interface UnwrappedRecord {
  row: JsonObject;
  /** The record exactly as it stands in the line. */
  raw: string;
  /** Its line in the batch whose results were downloaded. */
  originLine: number | null;
}

/** The wrapper of a line that has exactly the members of one of our downloads. */
export function wrapperOf(row: JsonObject): RecordWrapper | undefined {
  return WRAPPERS.find((wrapper) => isWrapped(row, wrapper));
}

/** The record of a line; `null` if the line does not have exactly the members of the wrapper. */
export function unwrapped(row: JsonObject, raw: string, wrapper: RecordWrapper): UnwrappedRecord | null {
  if (!isWrapped(row, wrapper)) return null;
  const text = jsonMembers(raw).get(wrapper.holder) ?? '{}';
  const { line } = row;
  return {
    row: row[wrapper.holder] as JsonObject,
    raw: text,
    originLine: wrapper.holder === 'record' && Number.isSafeInteger(line) ? (line as number) : null,
  };
}

function isWrapped(row: JsonObject, { holder, members, optional }: RecordWrapper): boolean {
  const held = row[holder];
  if (typeof held !== 'object' || held === null || Array.isArray(held)) return false;
  const names = Object.keys(row).filter((name) => !optional.includes(name));
  if (names.length !== members.length || !names.every((name) => members.includes(name))) return false;
  return holder !== 'record' || RECORD_STATUSES.some((status) => status === row.status);
}

/** A number or a truth value in the form of JSON. */
const LITERAL = /^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false)$/;

/** The JSON of a cell: a text, or where its column holds `literal` values, the number, truth value or null that it says. */
export function cellJson(
  text: string,
  column: { literal?: true; nullable?: true } | null | undefined,
): string {
  if (column?.literal !== true) return JSON.stringify(text);
  if (column.nullable === true && (text === '' || text === 'null')) return 'null';
  return LITERAL.test(text) ? text : JSON.stringify(text);
}
