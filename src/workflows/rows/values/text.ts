import sanitizeHtml from 'sanitize-html';
import type { JsonObject, JsonValue } from '../../../platform/json/json-value.js';
import type { AttributeDefinition } from '../../definition.js';
import { NumberText, type RowSource, ValueError, type ValueType } from './value-type.js';

type TextAttribute = Pick<AttributeDefinition, 'name' | 'maxLength'>;

/** ShortText and LongText: stored exactly as sent. Nothing is trimmed or normalized. */
export function textType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      const text = readText(value, numbers, source);
      return typeof text === 'string' ? (lengthError(text, limit) ?? text) : text;
    },
    schemas: [textSchema(maxLength), { type: ['number', 'boolean'] }],
    form: maxLength === undefined ? 'Text' : `Text of at most ${maxLength} characters`,
    example: 'Text'.slice(0, maxLength),
  };
}

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

function textSchema(maxLength: number | undefined): JsonObject {
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
    schemas: [{ type: 'string', maxLength: Math.min(limit, LONGEST), pattern: EMAIL_PATTERN }],
    form: 'One e-mail address',
    example: 'ada@example.org',
  };
}

export function isEmail(text: string): boolean {
  if (text.length > LONGEST || text.indexOf('@') > LONGEST_LOCAL_PART) return false;
  return ASCII_EMAIL.test(text) || EMAIL.test(text);
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

/** The parser's cost grows with the square of the depth: a line with 1 MB of `<b>` would take a minute. */
const DEEPEST = 100;

/** Raw HTML is parsed on the thread that serves all calls, so its cost must be bounded before it is parsed. */
const MOST_HTML_BYTES = 64 * 1024;

const TOO_MUCH_HTML = new ValueError(
  'too_long',
  `must have at most ${MOST_HTML_BYTES / 1024} KB of HTML, counted before anything is removed`,
  false,
);

const TOO_DEEP = new ValueError(
  'rich_text_too_deep',
  `must not nest HTML elements deeper than ${DEEPEST} levels`,
  false,
);

/** Stops the parser. */
class TooDeepError extends Error {
  override readonly name = 'TooDeepError';
}

/**
 * RichText: HTML, of which only the harmless part is stored. A text without `<`, `>` and `&` does not change. The
 * stored HTML can be shown as is, and the length limit applies to it.
 */
export function richTextType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      const html = readText(value, numbers, source);
      if (html instanceof ValueError) return html;
      const safe = sanitized(html);
      if (typeof safe !== 'string') return safe;
      return safe === '' ? null : (lengthError(safe, limit) ?? safe);
    },
    // No maxLength, because removed parts do not count.
    schemas: [textSchema(undefined), { type: ['number', 'boolean'] }],
    form:
      maxLength === undefined
        ? 'HTML; scripts, styles and the like are removed'
        : `HTML of at most ${maxLength} characters; scripts, styles and the like are removed`,
    example: '<p>Text</p>',
  };
}

function sanitized(html: string): string | ValueError {
  if (!/[<>&]/.test(html)) return html;
  if (Buffer.byteLength(html) > MOST_HTML_BYTES) return TOO_MUCH_HTML;
  let depth = 0;
  try {
    return sanitizeHtml(html, {
      allowedTags: [...sanitizeHtml.defaults.allowedTags, 'del', 'ins'],
      parseStyleAttributes: false,
      onOpenTag: () => {
        depth += 1;
        if (depth > DEEPEST) throw new TooDeepError();
      },
      onCloseTag: () => {
        depth -= 1;
      },
    });
  } catch (error) {
    if (error instanceof TooDeepError) return TOO_DEEP;
    throw error;
  }
}
