import { NumberText } from '../number-text.js';
import { lengthError, readText, type TextAttribute, textSchema } from './text.js';
import { ValueError } from './value-error.js';
import type { ValueType } from './value-type.js';

const NOT_A_URL = new ValueError(
  'not_a_url',
  'must be a whole http or https URL, for example https://example.org/page',
);
export const URL_PATTERN = '^[Hh][Tt][Tt][Pp][Ss]?://[^\\s\\\\/?#]';
/** `URL` itself repairs white space, missing slashes and backslashes: that would be guessing. */
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
    // No `format: uri`: that admits ASCII only.
    schemas: [{ ...textSchema(maxLength), pattern: URL_PATTERN }],
    form: 'http or https URL',
    example: 'https://example.org/',
  };
}
