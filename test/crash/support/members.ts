import { jsonl, member } from '../../support/import-client.js';

/** A body, and what must become of it. */
export interface Body {
  text: string;
  total: number;
  invalid: number;
  created: number;
  updated: number;
}

/** One line in this many lacks a required value. */
const INVALID_EVERY = 97;
/** One line in this many changes what an earlier chunk creates, so that chunks have to wait for each other. */
const UPDATED_EVERY = 1_500;
const UPDATED_BEFORE = 700;

let members = 0;

/**
 * Members that have not been sent yet.
 * @param clean without a line that is invalid
 */
export function newMembers(count: number, clean = false): Body {
  const first = members;
  members += count;
  const body = { text: '', total: count, invalid: 0, created: 0, updated: 0 };
  const rows = Array.from({ length: count }, (_, index) => {
    if (!clean && index % INVALID_EVERY === INVALID_EVERY - 1) {
      body.invalid += 1;
      return member(first + index, { 'First Name': undefined });
    }
    if (
      index % UPDATED_EVERY === UPDATED_EVERY - 1 &&
      (index - UPDATED_BEFORE) % INVALID_EVERY !== INVALID_EVERY - 1
    ) {
      body.updated += 1;
      return member(first + index - UPDATED_BEFORE, { 'First Name': 'Changed' });
    }
    body.created += 1;
    return member(first + index);
  });
  return { ...body, text: jsonl(rows) };
}
