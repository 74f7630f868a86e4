import sanitizeHtml from 'sanitize-html';
import type { JsonValue } from '../../../platform/json/json-value.js';
import { escapeOption, splitOptions } from '../../../records/rows.js';
import type { AttributeDefinition } from '../../definition.js';
import { dateTimeType, dateType } from './dates.js';
import { numericType } from './numbers.js';
import {
  lengthError,
  NearestName,
  NumberText,
  quoted,
  readText,
  shown,
  type TextAttribute,
  textSchema,
  ValueError,
  type ValueType,
} from './value-type.js';

const SHOWN = 5;

/** The options of a PickList or MultiSelectList. */
class Options {
  private readonly known: ReadonlySet<string>;
  private readonly nearest: NearestName;
  /** `one of "Associate", "Fellow"`; lists only the first options if there are many. */
  readonly form: string;

  constructor(readonly names: readonly string[]) {
    this.known = new Set(names);
    this.nearest = new NearestName(names);
    const shown = names.slice(0, SHOWN).map((name) => quoted(name));
    this.form =
      names.length > SHOWN
        ? `one of ${shown.join(', ')}, … (${names.length} options)`
        : `one of ${shown.join(', ')}`;
  }

  has(name: string): boolean {
    return this.known.has(name);
  }

  /** Refuses `name`. @param rule precedes the options: `must be` or `may hold only` */
  error(rule: string, name: string): ValueError {
    return new ValueError(
      'not_an_option',
      `${rule} ${this.form}; found ${quoted(name)}.`,
      false,
      this.nearest.hint(name),
    );
  }
}

/** PickList: one option, written exactly as in the definition. */
export function pickListType(name: string, names: readonly string[]): ValueType {
  const numbers = new NumberText(name);
  const options = new Options(names);
  return {
    parse(value, source) {
      const text = readText(value, numbers, source);
      return typeof text !== 'string' || options.has(text) ? text : options.error('must be', text);
    },
    schemas: [{ enum: [...names, ...names.flatMap(nativeForms)] }],
    form: `Exactly ${options.form}`,
    example: names[0] ?? '',
  };
}

/** A client can also send an option such as "1" as the JSON number. */
function nativeForms(name: string): JsonValue[] {
  return /^(true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?)$/.test(name)
    ? [JSON.parse(name) as number | boolean]
    : [];
}

const WRONG_TYPE = new ValueError(
  'wrong_type',
  'must be an array of options, or a text in which semicolons separate them',
);

/**
 * MultiSelectList: an array of options, or a text in which `;` separates them; a backslash precedes a semicolon or a
 * backslash inside an option. A CSV download contains an array from a JSON request as the text of that array; this text
 * is read as the array again. Options keep their order, and duplicates are dropped.
 */
export function multiSelectListType(names: readonly string[]): ValueType {
  const options = new Options(names);
  return {
    parse(value) {
      const items = typeof value === 'string' ? itemsOf(value, options) : value;
      if (!Array.isArray(items)) return WRONG_TYPE;
      const chosen = new Set<string>();
      for (const item of items) {
        if (typeof item !== 'string') {
          return new ValueError(
            'wrong_type',
            `must hold only texts; found ${shown(item)} in the array`,
            false,
          );
        }
        if (!options.has(item)) return options.error('may hold only', item);
        chosen.add(item);
      }
      return chosen.size === 0 ? null : [...chosen];
    },
    schemas: [{ type: 'array', items: { enum: [...names] } }, { type: 'string' }],
    form: `Options separated by semicolons, each ${options.form}`,
    example: names.slice(0, 2).map(escapeOption).join(';'),
  };
}

/** A text that consists of valid options is never read as JSON. */
function itemsOf(text: string, options: Options): readonly string[] {
  const split = splitOptions(text);
  if (!text.startsWith('[') || split.every((item) => options.has(item))) return split;
  return textsOf(text) ?? split;
}

/** The texts in a JSON array; `null` if the text is not a JSON array or contains other values. */
function textsOf(json: string): string[] | null {
  try {
    const value = JSON.parse(json) as unknown;
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : null;
  } catch {
    return null;
  }
}

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
]);
const NOT_A_BOOLEAN = new ValueError('not_a_boolean', 'must be true or false (or yes, no, 1, 0)');

/** Boolean: true and false; as text also yes, no, 1 and 0, in any case. */
export const booleanType: ValueType = {
  parse(value) {
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number') return value === 1 ? true : value === 0 ? false : NOT_A_BOOLEAN;
    if (typeof value !== 'string' || value.length > 5) return NOT_A_BOOLEAN;
    return WORDS.get(value) ?? WORDS.get(value.toLowerCase()) ?? NOT_A_BOOLEAN;
  },
  schemas: [
    { type: 'boolean' },
    { enum: [1, 0] },
    { type: 'string', pattern: '^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|1|0)$' },
  ],
  form: 'true or false (also yes, no, 1, 0)',
  example: 'true',
};

/** The value type that reads values of the attribute. */
export function valueTypeOf(attribute: AttributeDefinition): ValueType {
  switch (attribute.type) {
    case 'ShortText':
    case 'LongText':
      return textType(attribute);
    case 'RichText':
      return richTextType(attribute);
    case 'Numeric':
      return numericType(attribute);
    case 'Boolean':
      return booleanType;
    case 'Date':
      return dateType;
    case 'DateTime':
      return dateTimeType;
    case 'PickList':
      return pickListType(attribute.name, attribute.options ?? []);
    case 'MultiSelectList':
      return multiSelectListType(attribute.options ?? []);
    case 'Email':
      return emailType(attribute);
    case 'Url':
      return urlType(attribute);
  }
}

/** ShortText and LongText: stored exactly as sent. Nothing is trimmed or normalized. */
export function textType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      const text = readText(value, numbers, source);
      return typeof text === 'string' ? (lengthError(text, limit) ?? text) : text;
    },
    // A character has at least one byte.
    acceptsPlain: (_bytes, start, end) => end - start <= limit,
    schemas: [textSchema(maxLength), { type: ['number', 'boolean'] }],
    form: maxLength === undefined ? 'Text' : `Text of at most ${maxLength} characters`,
    example: 'Text'.slice(0, maxLength),
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
    const safe = sanitizeHtml(html, {
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
    // The parser joins thousands of small pieces. V8 would keep them all, a hundred times the text, with the row.
    return Buffer.from(safe).toString();
  } catch (error) {
    if (error instanceof TooDeepError) return TOO_DEEP;
    throw error;
  }
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
