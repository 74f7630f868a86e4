/** A decimal number, exact: `0.digits × 10^point`, no zero at either end of `digits`; zero has none. */
export interface Decimal {
  negative: boolean;
  digits: string;
  point: number;
}

/** Longer numbers are no data, and a text like 1e999999999 must not become a gigabyte. */
export const MOST_DIGITS = 1_000;
/** As many significant digits as a double always gives back as they were. */
const DIGITS_OF_A_DOUBLE = 15;
/** Far inside the range of a double, so that none of its digits is lost to underflow. */
const LARGEST_POINT_OF_A_DOUBLE = 290;

export const DECIMAL_PATTERN = '[+-]?([0-9]+(\\.[0-9]+)?|\\.[0-9]+)([eE][+-]?[0-9]+)?';
const DECIMAL = /^([+-]?)(?:([0-9]+)(?:\.([0-9]+))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?$/;

/** The number a text says; `null` if it says none. */
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
  // Number() is exact enough: an exponent past 2^53 is out of every bound all the same.
  const point = whole.length - start + Number(exponent);
  return { negative: sign === '-', digits: written.slice(start, end), point };
}

/** Whether the number, written out, has more than `MOST_DIGITS` digits before or after its point. */
export function isTooLong(decimal: Decimal): boolean {
  return decimal.point > MOST_DIGITS || decimal.digits.length - decimal.point > MOST_DIGITS;
}

/** Negative, zero or positive, as `sort` wants it. */
export function compareDecimals(left: Decimal, right: Decimal): number {
  if (left.negative !== right.negative) return left.negative ? -1 : 1;
  return left.negative ? compareMagnitudes(right, left) : compareMagnitudes(left, right);
}

/** Written out, without exponent and needless zeros: one text per number. */
export function decimalText({ negative, digits, point }: Decimal): string {
  if (digits === '') return '0';
  const sign = negative ? '-' : '';
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/**
 * How an attribute keeps a number: as a JSON number if a double holds all its digits, so that it can be computed
 * with, else as its text. Depends on the number only, not on how it was written.
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
  // Digits after the same point compare as text: a text that goes on is the larger one.
  return left.digits < right.digits ? -1 : left.digits > right.digits ? 1 : 0;
}
