import type { JsonObject } from '../../../common/json.js';
import { NumberText } from '../number-text.js';
import {
  compareDecimals,
  DECIMAL_PATTERN,
  type Decimal,
  isTooLong,
  MOST_DIGITS,
  parseDecimal,
  storedDecimal,
} from './decimal.js';
import { ValueError } from './value-error.js';
import type { ValueType } from './value-type.js';

const FORM = 'a decimal number such as 1234.5: digits, a point, no thousands separators';
const NOT_A_NUMBER = new ValueError('not_a_number', `must be ${FORM}`);
const TOO_LONG = new ValueError(
  'number_too_long',
  `must not have more than ${MOST_DIGITS} digits before or after its point`,
);

interface Bounds {
  minimum?: number | undefined;
  maximum?: number | undefined;
}

/** Numeric: exact. A number whose digits a double cannot hold is taken from the line's text and kept as text. */
export function numericType({ name, minimum, maximum }: Bounds & { name: string }): ValueType {
  const numbers = new NumberText(name);
  const tooSmall = new ValueError('too_small', `must be at least ${minimum}`);
  const tooLarge = new ValueError('too_large', `must be at most ${maximum}`);
  const least = minimum === undefined ? null : parseDecimal(String(minimum));
  const most = maximum === undefined ? null : parseDecimal(String(maximum));

  const boundedNumber = (number: number): number | ValueError => {
    if (minimum !== undefined && number < minimum) return tooSmall;
    if (maximum !== undefined && number > maximum) return tooLarge;
    return number;
  };
  const boundedDecimal = (decimal: Decimal): number | string | ValueError => {
    if (isTooLong(decimal)) return TOO_LONG;
    if (least !== null && compareDecimals(decimal, least) < 0) return tooSmall;
    if (most !== null && compareDecimals(decimal, most) > 0) return tooLarge;
    return storedDecimal(decimal);
  };

  return {
    parse(value, source) {
      const written = typeof value === 'number' ? numbers.of(value, source) : value;
      if (typeof written !== 'string') return NOT_A_NUMBER;
      // Adding 0 makes 0 of -0.
      if (isShortDecimal(written)) return boundedNumber(Number(written) + 0);
      const decimal = parseDecimal(written);
      return decimal === null ? NOT_A_NUMBER : boundedDecimal(decimal);
    },
    schemas: [
      { type: 'number', ...boundsSchema({ minimum, maximum }) },
      { type: 'string', pattern: `^${DECIMAL_PATTERN}$` },
    ],
    form: boundsForm({ minimum, maximum }),
    example: String(exampleWithin(minimum, maximum)),
  };
}

/** Most numbers are short: of 15 digits and no exponent, which a double holds exactly. */
function isShortDecimal(text: string): boolean {
  if (text.length > 15) return false;
  let index = text.charCodeAt(0) === 0x2d ? 1 : 0;
  const whole = endOfDigits(text, index);
  if (whole === index) return false;
  if (text.charCodeAt(whole) !== 0x2e) return whole === text.length;
  index = whole + 1;
  const end = endOfDigits(text, index);
  return end > index && end === text.length;
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  for (;;) {
    const code = text.charCodeAt(end);
    // NaN, past the end, is not in the range either.
    if (!(code >= 0x30 && code <= 0x39)) return end;
    end += 1;
  }
}

function boundsSchema({ minimum, maximum }: Bounds): JsonObject {
  return { ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }) };
}

function boundsForm({ minimum, maximum }: Bounds): string {
  const bounds = [
    ...(minimum === undefined ? [] : [`at least ${minimum}`]),
    ...(maximum === undefined ? [] : [`at most ${maximum}`]),
  ];
  return ['Decimal number such as 1234.5, without thousands separators', ...bounds].join(', ');
}

function exampleWithin(minimum = -Infinity, maximum = Infinity): number {
  if (minimum <= 1 && maximum >= 1) return 1;
  return Number.isFinite(minimum) ? minimum : maximum;
}
