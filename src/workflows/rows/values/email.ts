import { NumberText } from '../number-text.js';
import { lengthError, readText, type TextAttribute } from './text.js';
import { ValueError } from './value-error.js';
import type { ValueType } from './value-type.js';

const NOT_AN_EMAIL = new ValueError(
  'not_an_email',
  'must be one e-mail address, for example ada@example.org',
);
/** RFC 5321. */
const LONGEST = 254;
const LONGEST_LOCAL_PART = 64;

/**
 * One address without display name, quotes or comments: what mail systems accept in practice.
 * @param letters a character class of letters besides the ASCII ones
 */
function addressPattern(letters: string): string {
  const atom = `[A-Za-z0-9!#$%&'*+/=?^_\`{|}~${letters}-]+`;
  const alphanumeric = `[A-Za-z0-9${letters}]`;
  const label = `${alphanumeric}([A-Za-z0-9${letters}-]{0,61}${alphanumeric})?`;
  return `^${atom}(\\.${atom})*@(${label}\\.)+${label}$`;
}

/** Letters of every script are accepted (RFC 6531). */
export const EMAIL_PATTERN = addressPattern('\\p{L}\\p{M}\\p{N}');
const EMAIL = new RegExp(EMAIL_PATTERN, 'u');
/** Nearly every address is one of these, and this is several times as fast. */
const ASCII_EMAIL = new RegExp(addressPattern(''));

/** Email: kept as written; the case of its letters is not touched. */
export function emailType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      if (typeof value !== 'string') return NOT_AN_EMAIL;
      const text = readText(value, numbers, source);
      if (typeof text !== 'string') return text;
      return isEmail(text) ? (lengthError(text, limit) ?? text) : NOT_AN_EMAIL;
    },
    schemas: [{ type: 'string', maxLength: Math.min(limit, LONGEST), pattern: EMAIL_PATTERN }],
    form: 'One e-mail address',
    example: 'ada@example.org',
  };
}

export function isEmail(text: string): boolean {
  if (text.length > LONGEST || text.indexOf('@') > LONGEST_LOCAL_PART) return false;
  return ASCII_EMAIL.test(text) || EMAIL.test(text);
}
