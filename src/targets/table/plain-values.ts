import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { ColumnKind } from '../../records/target.js';
import { decimalText, isTooLong, parseDecimal } from '../../workflows/rows/values/numbers.js';
import { quoted, ValueError } from '../../workflows/rows/values/value-type.js';
import type { ColumnShape, ReadableCheck } from './table-shape.js';

/** Reads the values of one column of a table. */
export interface ColumnValues {
  /**
   * Returns the text that PostgreSQL reads as exactly this value, or the reason why the value is refused.
   * @param written the value as the line spells it
   */
  read(value: Exclude<JsonValue, null>, written: () => string): string | ValueError;
  /**
   * A text that is the same for all values that the database takes for equal; values that it tells apart may share
   * one, too.
   */
  canonical(text: string): string;
  readonly schemas: readonly JsonObject[];
  readonly kind: ColumnKind;
  readonly options?: readonly string[];
  readonly form: string;
  /** As CSV text. */
  readonly example: string;
}

/** Equal values have equal texts. */
export const same = (text: string): string => text;
/** Nothing is known about equal values, so all records are processed in order. */
export const unknown = (): string => '';

export function textValues({ length, family, isFolded }: ColumnShape, check: ReadableCheck): ColumnValues {
  if (check.options !== undefined && !isFolded) return optionValues(check.options);
  const most = Math.min(length ?? Infinity, check.maxLength ?? Infinity);
  const least = check.minLength ?? 0;
  const bounds = {
    ...(most < Infinity ? { maxLength: most } : {}),
    ...(least > 0 ? { minLength: least } : {}),
  };
  return {
    read(value, written) {
      const text = typeof value === 'string' ? value : typeof value === 'number' ? written() : null;
      if (text === null) return new ValueError('wrong_type', 'must be a text');
      const count = text.length <= most && text.length >= 2 * least ? least : codePoints(text);
      if (text.length > most && count > most)
        return new ValueError('too_long', `must have at most ${most} characters, and has ${count}`, false);
      if (count < least) return new ValueError('too_short', `must have at least ${least} characters`, false);
      return text;
    },
    // The database ignores spaces at the end of character(n).
    canonical: isFolded ? unknown : family === 'bpchar' ? (text) => text.replace(/ +$/, '') : same,
    schemas: [{ type: 'string', ...bounds }, ...(least > 0 ? [] : [{ type: 'number' }])],
    kind: 'text',
    form: most < Infinity ? `Text of at most ${most} characters` : 'Text',
    example: 'text'.slice(0, Math.min(most, 4)).padEnd(Math.min(least, 100), 't'),
  };
}

function codePoints(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0xdc00 || unit > 0xdfff) count += 1;
  }
  return count;
}

export function optionValues(options: readonly string[]): ColumnValues {
  const known = new Set(options);
  const listed = options.slice(0, 20).map(quoted).join(', ') + (options.length > 20 ? ', …' : '');
  const refusal = new ValueError('not_an_option', `must be one of ${listed}`);
  return {
    read: (value) => (typeof value === 'string' && known.has(value) ? value : refusal),
    canonical: same,
    schemas: [{ type: 'string', enum: [...options] }],
    kind: 'option',
    options,
    form: `One of ${listed}`,
    example: options[0] ?? '',
  };
}

const NOT_A_NUMBER = new ValueError(
  'not_a_number',
  'must be a decimal number such as 1234.5: digits, a point, no thousands separators',
);
const NOT_WHOLE = new ValueError('not_a_number', 'must be a whole number');

/** @param limit of whole numbers: one less is the largest, its negative the smallest; `null` for other numbers */
export function numberValues(
  { precision, scale }: ColumnShape,
  check: ReadableCheck,
  limit: bigint | null,
): ColumnValues {
  const problem = (text: string): ValueError | null => {
    const value = Number(text);
    const {
      minimum = -Infinity,
      maximum = Infinity,
      exclusiveMinimum = -Infinity,
      exclusiveMaximum = Infinity,
    } = check;
    if (limit !== null && BigInt(text) >= limit)
      return new ValueError('too_large', `must be at most ${limit - 1n}`);
    if (limit !== null && BigInt(text) < -limit)
      return new ValueError('too_small', `must be at least ${-limit}`);
    if (value < minimum) return new ValueError('too_small', `must be at least ${minimum}`);
    if (value <= exclusiveMinimum)
      return new ValueError('too_small', `must be more than ${exclusiveMinimum}`);
    if (value > maximum) return new ValueError('too_large', `must be at most ${maximum}`);
    if (value >= exclusiveMaximum)
      return new ValueError('too_large', `must be less than ${exclusiveMaximum}`);
    return digitsProblem(text, precision, scale);
  };
  const isWhole = limit !== null;
  const bounds: JsonObject =
    isWhole && limit <= 2n ** 31n ? { minimum: Number(-limit), maximum: Number(limit - 1n) } : {};
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = check;
  const given = Object.entries({ minimum, maximum, exclusiveMinimum, exclusiveMaximum });
  const limits = Object.fromEntries(given.filter(([, bound]) => bound !== undefined)) as JsonObject;
  const form = isWhole ? 'Whole number' : 'Number';
  return {
    read(value, written) {
      if (typeof value !== 'number' && typeof value !== 'string') return isWhole ? NOT_WHOLE : NOT_A_NUMBER;
      const decimal = parseDecimal(typeof value === 'number' ? written() : value);
      if (decimal === null) return isWhole ? NOT_WHOLE : NOT_A_NUMBER;
      if (isTooLong(decimal)) return new ValueError('number_too_long', 'has too many digits', false);
      const text = decimalText(decimal);
      if (isWhole && text.includes('.')) return NOT_WHOLE;
      return problem(text) ?? text;
    },
    // Numbers of floating point that differ in their last digits can be equal.
    canonical: precision === null && limit === null ? (text) => String(Number(text)) : same,
    schemas: [
      { type: isWhole ? 'integer' : 'number', ...bounds, ...limits },
      {
        type: 'string',
        pattern: isWhole
          ? '^[+-]?[0-9]+(\\.0+)?$'
          : '^[+-]?([0-9]+(\\.[0-9]+)?|\\.[0-9]+)([eE][+-]?[0-9]+)?$',
      },
    ],
    kind: 'number',
    form:
      precision === null
        ? form
        : `${form} with at most ${precision - (scale ?? 0)} digits before and ${scale ?? 0} after the point`,
    example: exampleNumber(check),
  };
}

function digitsProblem(text: string, precision: number | null, scale: number | null): ValueError | null {
  if (precision === null || scale === null) return null;
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  if (fraction.length > scale)
    return new ValueError('number_too_long', `must have at most ${scale} digits after the point`);
  const digits = whole === '0' ? 0 : whole.length;
  if (digits <= precision - scale) return null;
  return new ValueError('too_large', `must have at most ${precision - scale} digits before the point`);
}

function exampleNumber({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: ReadableCheck): string {
  if (minimum !== undefined) return String(Math.ceil(minimum));
  if (exclusiveMinimum !== undefined) return String(Math.floor(exclusiveMinimum) + 1);
  if (maximum !== undefined) return String(Math.min(1, Math.floor(maximum)));
  return exclusiveMaximum === undefined ? '1' : String(Math.min(1, Math.ceil(exclusiveMaximum) - 1));
}

const TRUE: ReadonlySet<string> = new Set(['true', 't', 'yes', 'y', 'on', '1']);
const FALSE: ReadonlySet<string> = new Set(['false', 'f', 'no', 'n', 'off', '0']);
const NOT_A_BOOLEAN = new ValueError('not_a_boolean', 'must be true or false');

export const BOOLEAN: ColumnValues = {
  read(value) {
    if (typeof value === 'object') return NOT_A_BOOLEAN;
    const word = String(value).toLowerCase();
    if (TRUE.has(word)) return 'true';
    return FALSE.has(word) ? 'false' : NOT_A_BOOLEAN;
  },
  canonical: same,
  schemas: [{ type: 'boolean' }, { enum: [0, 1] }, { type: 'string', pattern: '^[a-zA-Z01]{1,5}$' }],
  kind: 'boolean',
  form: 'true or false',
  example: 'true',
};
