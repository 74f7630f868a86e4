import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { IdentifierDefinition } from '../definition.js';
import { NumberText, type RowSource } from './values/row-source.js';
import { EMAIL_PATTERN, isEmail, lengthError, readText } from './values/text.js';
import { ValueError } from './values/value-type.js';

/**
 * An identifier and its value as one text: the ordering key of the rows that have it. Values cannot contain NUL, so no
 * two keys collide.
 * @param value in normalized form
 */
export function identifierKey(name: string, value: string): string {
  return `${name}\u0000${value}`;
}

/**
 * In characters. With a name of 200 characters this stays below the limit of an entry in a PostgreSQL index (2,704
 * bytes), whatever the script.
 */
const LONGEST_IDENTIFIER = 400;

const BLANK = new ValueError(
  'blank_identifier',
  'is an identifier and must have a value; omit the column if the row has none',
);
const NOT_AN_EMAIL = new ValueError(
  'not_an_email',
  'must be one e-mail address, for example ada@example.org',
);

/** Reads the values of one identifier column. */
export class IdentifierReader {
  readonly name: string;
  readonly unique: boolean;
  /** JSON Schema of what `read` accepts. */
  readonly schema: JsonObject;
  readonly form: string;
  readonly example: string;
  private readonly numbers: NumberText;

  constructor(private readonly definition: IdentifierDefinition) {
    this.name = definition.name;
    this.unique = definition.unique;
    this.numbers = new NumberText(definition.name);
    const isAddress = definition.format === 'email';
    this.schema = isAddress
      ? { type: 'string', maxLength: 254, pattern: EMAIL_PATTERN }
      : { type: ['string', 'number', 'boolean'], maxLength: LONGEST_IDENTIFIER, pattern: '\\S' };
    this.form = isAddress
      ? 'E-mail address that finds the existing one'
      : 'Value that finds the existing one';
    this.example = isAddress ? 'ada@example.org' : 'A-1001';
  }

  /** The identifier as it is written. */
  read(value: JsonValue, source: RowSource): string | ValueError {
    const text = value === null ? BLANK : readText(value, this.numbers, source);
    if (typeof text !== 'string') return text;
    if (text.trim() === '') return BLANK;
    if (this.definition.format === 'email' && !isEmail(text)) return NOT_AN_EMAIL;
    return lengthError(text, LONGEST_IDENTIFIER) ?? text;
  }

  /** The normalized form that finds the instance. */
  fold(written: string): string {
    return this.definition.caseInsensitive === true ? written.toLowerCase() : written;
  }
}
