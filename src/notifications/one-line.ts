import { excerpt } from '../common/format.js';

/**
 * Text of others as one line of bounded length: nothing in a file name or an error message can begin a line of its
 * own in a mail, let alone a header. Also fit for a PostgreSQL text, which cannot hold NUL.
 */
export function oneLine(text: string, maxLength = 500): string {
  return excerpt(text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim(), maxLength);
}
