import { createHash } from 'node:crypto';
import type { DomainError } from '../domain-error.js';
import { httpErrors } from './http.errors.js';

/** Where a page ended: the sort key of its last item. Ids and line numbers, never negative. */
export type Position = readonly number[];

/** The highest id that is exact in JSON. A `bigint` column holds it. */
export const HIGHEST_ID = Number.MAX_SAFE_INTEGER;

export interface Page<Item> {
  items: Item[];
  /** Give it back as `after` to read on; `null` on the last page. */
  nextCursor: string | null;
}

/**
 * A position as an opaque cursor. The list's name is part of it, so that a cursor of one list is refused by another;
 * the check sum tells mistyped and cut ones. It is no secret and guards none: a position gives access to nothing, and
 * anybody can seal one of their own, so `decodeCursor` trusts none.
 */
export function encodeCursor(list: string, position: Position): string {
  return seal(list, JSON.stringify(position));
}

/**
 * The position a cursor was made from.
 * @param highest of each number in it: more than a column holds would be an error of the database, and ours
 * @throws DomainError 400 `invalid_cursor` unless it is one that `encodeCursor` makes for the same list.
 */
export function decodeCursor<const Highest extends Position>(
  list: string,
  cursor: string,
  ...highest: Highest
): { [Place in keyof Highest]: number } {
  const bytes = Buffer.from(cursor, 'base64url');
  const text = bytes.toString('utf8', CHECKSUM_BYTES);
  // Comparing with the cursor made anew also refuses what base64url decoders tolerate: padding and stray bits.
  if (bytes.length <= CHECKSUM_BYTES || seal(list, text) !== cursor) throw invalidCursor();
  const position = parseJson(text);
  if (!isPosition(position, highest)) throw invalidCursor();
  return position;
}

/** Cuts rows that were read with `limit + 1` to a page. */
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

/** The `Link` header of a page: the same request, one page on. `undefined` on the last page. */
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
