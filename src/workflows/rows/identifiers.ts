import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { trimEnds } from '../../records/invisible-ends.js';
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

/** Where a formula failed: as an identifier it would turn different people into one. */
const SPREADSHEET_ERROR = /^#(N\/A|REF!|VALUE!|NAME\?|DIV\/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|GETTING_DATA)$/i;
const NOT_AN_IDENTIFIER = new ValueError(
  'spreadsheet_error',
  'is the error value of a spreadsheet, which identifies nothing; correct the cell',
);

/** Texts of characters below U+0300 are in Unicode NFC. */
const SURELY_NFC = /^[\u0000-\u02ff]*$/;

/** The form in which identifiers are compared: trimmed, in Unicode NFC, with upper and lower case. */
export function normalForm(written: string): string {
  const trimmed = trimEnds(written);
  return SURELY_NFC.test(trimmed) ? trimmed : trimmed.normalize('NFC');
}

/** The same for identifiers that are case-insensitive. */
export function foldedForm(written: string): string {
  return normalForm(normalForm(written).toLowerCase());
}

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

  /** The identifier as it is written, without white space and invisible characters at its ends. */
  read(value: JsonValue, source: RowSource): string | ValueError {
    const text = value === null ? BLANK : readText(value, this.numbers, source);
    if (typeof text !== 'string') return text;
    const written = trimEnds(text);
    if (written === '') return BLANK;
    if (SPREADSHEET_ERROR.test(written)) return NOT_AN_IDENTIFIER;
    if (this.definition.format === 'email' && !isEmail(written)) return NOT_AN_EMAIL;
    return lengthError(written, LONGEST_IDENTIFIER) ?? written;
  }

  /** The normalized form that finds the instance. */
  fold(written: string): string {
    return this.definition.caseInsensitive === true ? foldedForm(written) : normalForm(written);
  }
}
