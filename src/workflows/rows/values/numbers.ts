import type { JsonObject } from '../../../platform/json/json-value.js';
import { NumberText, ValueError, type ValueType } from './value-type.js';

/** An exact decimal number: `0.digits × 10^point`. `digits` has no zero at either end; for zero it is empty. */
interface Decimal {
  negative: boolean;
  digits: string;
  point: number;
}

/** Longer numbers are not real data, and a text like 1e999999999 must not expand to a gigabyte. */
const MOST_DIGITS = 1_000;
/** A double always keeps this many significant digits. */
const DIGITS_OF_A_DOUBLE = 15;
/** Well within the range of a double, so that underflow loses no digit. */
const LARGEST_POINT_OF_A_DOUBLE = 290;

const DECIMAL_PATTERN = '[+-]?([0-9]+(\\.[0-9]+)?|\\.[0-9]+)([eE][+-]?[0-9]+)?';
const DECIMAL = /^([+-]?)(?:([0-9]+)(?:\.([0-9]+))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?$/;

/** Parses the number in a text; returns `null` if the text is not a number. */
export function parseDecimal(text: string): Decimal | null {
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', bareFraction = '', exponent = '0'] = match;
  const written = whole + fraction + bareFraction;
  let start = 0;
  while (written.charCodeAt(start) === 0x30) start += 1;
  if (start === written.length) return { negative: false, digits: '', point: 0 };
  let end = written.length;
  while (written.charCodeAt(end - 1) === 0x30) end -= 1;
  // Number() is exact enough: an exponent beyond 2^53 exceeds every bound anyway.
  const point = whole.length - start + Number(exponent);
  return { negative: sign === '-', digits: written.slice(start, end), point };
}

/** Whether the number, written out, has more than `MOST_DIGITS` digits before or after its point. */
export function isTooLong(decimal: Decimal): boolean {
  return decimal.point > MOST_DIGITS || decimal.digits.length - decimal.point > MOST_DIGITS;
}

/** Returns a negative number, zero or a positive number, as `sort` expects. */
export function compareDecimals(left: Decimal, right: Decimal): number {
  if (left.negative !== right.negative) return left.negative ? -1 : 1;
  return left.negative ? compareMagnitudes(right, left) : compareMagnitudes(left, right);
}

/** Writes the number without exponent and redundant zeros, so that each number has exactly one text. */
export function decimalText({ negative, digits, point }: Decimal): string {
  if (digits === '') return '0';
  const sign = negative ? '-' : '';
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/**
 * The form in which an attribute stores a number: a JSON number if a double holds all its digits, so that calculations
 * can use it, or else the text of the number. The form depends only on the number, not on its spelling.
 * Why: ADR 6.
 */
export function storedDecimal(decimal: Decimal): number | string {
  const fits =
    decimal.digits.length <= DIGITS_OF_A_DOUBLE && Math.abs(decimal.point) <= LARGEST_POINT_OF_A_DOUBLE;
  const text = decimalText(decimal);
  return fits ? Number(text) : text;
}

function compareMagnitudes(left: Decimal, right: Decimal): number {
  if (left.digits === '' || right.digits === '') return left.digits.length - right.digits.length;
  if (left.point !== right.point) return left.point - right.point;
  // Digits after the same point compare as text: if one text begins with the other, the longer one is larger.
  return left.digits < right.digits ? -1 : left.digits > right.digits ? 1 : 0;
}

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

/** Numeric: exact. If a double cannot hold the digits of a number, they are taken from the line and stored as text. */
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
      // Adding 0 turns -0 into 0.
      if (isShortDecimal(written)) return boundedNumber(Number(written) + 0);
      const decimal = parseDecimal(written);
      return decimal === null ? NOT_A_NUMBER : boundedDecimal(decimal);
    },
    // A text may be any decimal, so `parse` must read it; a number here is a short whole one.
    acceptsPlain(bytes, start, end, isText) {
      if (isText) return false;
      let number = 0;
      for (let at = start; at < end; at += 1) number = number * 10 + ((bytes[at] ?? 0) - 0x30);
      return !(boundedNumber(number) instanceof ValueError);
    },
    schemas: [
      { type: 'number', ...boundsSchema({ minimum, maximum }) },
      { type: 'string', pattern: `^${DECIMAL_PATTERN}$` },
    ],
    form: boundsForm({ minimum, maximum }),
    example: String(exampleWithin(minimum, maximum)),
  };
}

/** Most numbers are short: at most 15 digits and no exponent, which a double holds exactly. */
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
    // NaN, which marks the end of the text, is outside the range, too.
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
