import {
  lengthError,
  NumberText,
  readText,
  type TextAttribute,
  textSchema,
  ValueError,
  type ValueType,
} from './value-type.js';

const NOT_AN_EMAIL = new ValueError(
  'not_an_email',
  'must be one e-mail address, for example ada@example.org',
);
/** RFC 5321. */
const LONGEST = 254;
const LONGEST_LOCAL_PART = 64;

/**
 * One address without display name, quotes or comments, which is the form that mail systems accept in practice.
 * @param letters characters besides ASCII letters, for a character class
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
/** Matches nearly every address, and is several times as fast. */
const ASCII_EMAIL = new RegExp(addressPattern(''));

/** Email: kept as written, including upper and lower case. */
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
    acceptsPlain: (bytes, start, end, isText) =>
      isText && end - start <= limit && isAsciiEmail(bytes, start, end),
    schemas: [{ type: 'string', maxLength: Math.min(limit, LONGEST), pattern: EMAIL_PATTERN }],
    form: 'One e-mail address',
    example: 'ada@example.org',
  };
}

export function isEmail(text: string): boolean {
  if (text.length > LONGEST || text.indexOf('@') > LONGEST_LOCAL_PART) return false;
  return ASCII_EMAIL.test(text) || EMAIL.test(text);
}

const DOT = 0x2e;
const HYPHEN = 0x2d;
const AT = 0x40;
/** The kinds of ASCII characters in an address: 1 only before the @, 2 letters and digits. */
const ADDRESS_CHARACTERS = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[A-Za-z0-9]/.test(character) && code < 0x80) return 2;
  return code < 0x80 && /[!#$%&'*+/=?^_`{|}~-]/.test(character) ? 1 : 0;
});
const LONGEST_LABEL = 63;

/** Whether the bytes are an address that `ASCII_EMAIL` matches. It takes a fifth of the time of the pattern. */
export function isAsciiEmail(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > LONGEST) return false;
  let at = start;
  let begun = start;
  for (; at < end && bytes[at] !== AT; at += 1) {
    if (bytes[at] === DOT) {
      if (at === begun) return false;
      begun = at + 1;
    } else if (ADDRESS_CHARACTERS[bytes[at] ?? 0] === 0) return false;
  }
  if (at === begun || at === end || at - start > LONGEST_LOCAL_PART) return false;
  begun = at + 1;
  let labels = 0;
  for (at = begun; at <= end; at += 1) {
    if (at === end || bytes[at] === DOT) {
      const isLabel = at > begun && at - begun <= LONGEST_LABEL;
      if (!isLabel || bytes[begun] === HYPHEN || bytes[at - 1] === HYPHEN) return false;
      labels += 1;
      begun = at + 1;
    } else if (bytes[at] !== HYPHEN && ADDRESS_CHARACTERS[bytes[at] ?? 0] !== 2) return false;
  }
  return labels > 1;
}

const NOT_A_URL = new ValueError(
  'not_a_url',
  'must be a complete http or https URL, for example https://example.org/page',
);
export const URL_PATTERN = '^[Hh][Tt][Tt][Pp][Ss]?://[^\\s\\\\/?#]';
/** `URL` itself would repair white space, missing slashes and backslashes, which amounts to guessing. */
const SHAPE = /^https?:\/\/[^\s\\/?#][^\s\\]*$/i;

/** Url: http or https, kept as written. */
export function urlType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      if (typeof value !== 'string') return NOT_A_URL;
      const text = readText(value, numbers, source);
      if (typeof text !== 'string') return text;
      return SHAPE.test(text) && URL.canParse(text) ? (lengthError(text, limit) ?? text) : NOT_A_URL;
    },
    // No `format: uri`, because it accepts only ASCII.
    schemas: [{ ...textSchema(maxLength), pattern: URL_PATTERN }],
    form: 'http or https URL',
    example: 'https://example.org/',
  };
}
