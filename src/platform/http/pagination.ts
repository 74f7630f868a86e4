import { createHash } from 'node:crypto';
import type { DomainError } from '../errors.js';
import { httpErrors } from './http.errors.js';

/** Where a page ended: the sort key of its last item. Ids and line numbers, never negative. */
export type Position = readonly number[];

/** The highest id that is exact in JSON. A `bigint` column holds it. */
export const HIGHEST_ID = Number.MAX_SAFE_INTEGER;

export interface Page<Item> {
  items: Item[];
  /** Send it as `after` to get the next page; `null` on the last page. */
  nextCursor: string | null;
}

/**
 * Encodes a position as an opaque cursor. It contains the list's name, so that one list refuses the cursor of another.
 * The checksum detects mistyped and truncated cursors. The cursor is not a secret and protects none: a position gives
 * access to nothing. Anyone can seal a position of their own, so `decodeCursor` trusts none.
 */
export function encodeCursor(list: string, position: Position): string {
  return seal(list, JSON.stringify(position));
}

/**
 * Returns the position that a cursor was made from.
 * @param highest the maximum of each number in it: a number too large for its column would cause a database error,
 *   which would be our fault
 * @throws DomainError 400 `invalid_cursor` unless `encodeCursor` could have made the cursor for the same list.
 */
export function decodeCursor<const Highest extends Position>(
  list: string,
  cursor: string,
  ...highest: Highest
): { [Place in keyof Highest]: number } {
  const bytes = Buffer.from(cursor, 'base64url');
  const text = bytes.toString('utf8', CHECKSUM_BYTES);
  // Comparing with a cursor made again from the text also refuses padding and stray bits, which base64url decoders
  // tolerate.
  if (bytes.length <= CHECKSUM_BYTES || seal(list, text) !== cursor) throw invalidCursor();
  const position = parseJson(text);
  if (!isPosition(position, highest)) throw invalidCursor();
  return position;
}

/** Cuts rows that were read with `limit + 1` to one page. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  cursorAt: (last: Row) => string,
  itemOf: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? cursorAt(last) : null;
  return { items: shown.map(itemOf), nextCursor };
}

/** The `Link` header of a page: the same request for the next page. `undefined` on the last page. */
export function nextLink(requestUrl: string, nextCursor: string | null): string | undefined {
  if (nextCursor === null) return undefined;
  const url = new URL(requestUrl, 'http://localhost');
  url.searchParams.set('after', nextCursor);
  return `<${url.pathname}${url.search}>; rel="next"`;
}

const CHECKSUM_BYTES = 6;

function seal(list: string, text: string): string {
  const checksum = createHash('sha256').update(`${list}\n${text}`).digest().subarray(0, CHECKSUM_BYTES);
  return Buffer.concat([checksum, Buffer.from(text)]).toString('base64url');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPosition<Highest extends Position>(
  position: unknown,
  highest: Highest,
): position is { [Place in keyof Highest]: number } {
  return (
    Array.isArray(position) &&
    position.length === highest.length &&
    highest.every((most, place) => {
      const number: unknown = position[place];
      return Number.isInteger(number) && (number as number) >= 0 && (number as number) <= most;
    })
  );
}

function invalidCursor(): DomainError {
  return httpErrors.invalid_cursor(
    'The cursor in "after" was not made by this list. Send nextCursor unchanged, or omit it to start over.',
    { errors: [{ parameter: 'after', code: 'invalid_cursor', message: 'is not a cursor of this list' }] },
  );
}
