import { ValueError, type ValueType } from './value-type.js';

/** The years 0001 to 9999. The pattern has no lookahead, so that every regular expression engine supports it. */
const YEAR_PATTERN = '([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])';

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysInMonth(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (DAYS[month - 1] ?? 0);
}

/** `count` digits of `text` from `start` as a number; -1 if one of them is not a digit. */
function digitsAt(text: string, start: number, count: number): number {
  let number = 0;
  for (let index = start; index < start + count; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    // NaN, which marks the end of the text, is outside the range, too.
    if (!(digit >= 0 && digit <= 9)) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** Whether `text` begins with an existing day, written YYYY-MM-DD, in the years 0001 to 9999. */
function beginsWithDate(text: string): boolean {
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d) return false;
  const year = digitsAt(text, 0, 4);
  const month = digitsAt(text, 5, 2);
  const day = digitsAt(text, 8, 2);
  return year >= 1 && day >= 1 && day <= daysInMonth(year, month);
}

const NOT_A_DATE = new ValueError(
  'not_a_date',
  'must be a calendar date written YYYY-MM-DD, for example 2026-01-31',
);
const NO_SUCH_DAY = new ValueError('not_a_date', 'must be an existing calendar day, written YYYY-MM-DD');
const DATE_PATTERN = `^${YEAR_PATTERN}-`;
const SHAPE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;

/** Date: ISO 8601 only. 01/02/2026 is in January for some people and in February for others, so we never guess. */
export const dateType: ValueType = {
  parse(value) {
    if (typeof value !== 'string') return NOT_A_DATE;
    if (value.length === 10 && beginsWithDate(value)) return value;
    return SHAPE.test(value) ? NO_SUCH_DAY : NOT_A_DATE;
  },
  schemas: [{ type: 'string', format: 'date', pattern: DATE_PATTERN }],
  form: 'Date written YYYY-MM-DD',
  example: '2026-01-31',
};

const FORM =
  'a date and time with its offset from UTC, for example 2026-01-31T09:30:00Z or 2026-01-31T09:30:00+01:00';
const NOT_A_DATE_TIME = new ValueError('not_a_date_time', `must be ${FORM}`);
const MOST_FRACTION_DIGITS = 9;
const DATE_TIME_PATTERN = `^${YEAR_PATTERN}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$`;

/** DateTime: RFC 3339. The offset is required, because we do not know the sender's time zone. Stored as UTC. */
export const dateTimeType: ValueType = {
  parse: (value) => (typeof value === 'string' ? (toUtc(value) ?? NOT_A_DATE_TIME) : NOT_A_DATE_TIME),
  schemas: [{ type: 'string', format: 'date-time', pattern: DATE_TIME_PATTERN }],
  form: 'Date and time with offset, such as 2026-01-31T09:30:00Z',
  example: '2026-01-31T09:30:00Z',
};

/** The same moment, written `YYYY-MM-DDTHH:MM:SS[.fraction]Z`; `null` if the text is not an RFC 3339 time. */
function toUtc(text: string): string | null {
  if (!beginsWithDate(text) || (text.charCodeAt(10) | 0x20) !== 0x74) return null;
  const hour = digitsAt(text, 11, 2);
  const minute = digitsAt(text, 14, 2);
  const second = digitsAt(text, 17, 2);
  if (text[13] !== ':' || text[16] !== ':') return null;
  // RFC 3339 has leap seconds (:60), but PostgreSQL and JavaScript do not. They are refused, not moved.
  if (!isUpTo(hour, 23) || !isUpTo(minute, 59) || !isUpTo(second, 59)) return null;
  const fractionEnd = endOfFraction(text);
  const offset = fractionEnd === null ? null : offsetMinutes(text.slice(fractionEnd));
  if (fractionEnd === null || offset === null) return null;
  const fraction = text.slice(19, fractionEnd).replace(/\.?0*$/, '');
  const moment = offset === 0 ? `${text.slice(0, 10)}T${text.slice(11, 19)}` : shifted(text, offset);
  return moment === null ? null : `${moment}${fraction}Z`;
}

/** The index after the fraction of the second; `null` if the fraction is malformed. */
function endOfFraction(text: string): number | null {
  if (text[19] !== '.') return 19;
  let end = 20;
  while (digitsAt(text, end, 1) !== -1) end += 1;
  return end === 20 || end - 20 > MOST_FRACTION_DIGITS ? null : end;
}

function offsetMinutes(text: string): number | null {
  if (text === 'Z' || text === 'z') return 0;
  const hours = digitsAt(text, 1, 2);
  const minutes = digitsAt(text, 4, 2);
  if (text.length !== 6 || text[3] !== ':' || !isUpTo(hours, 23) || !isUpTo(minutes, 59)) return null;
  if (text[0] === '+') return hours * 60 + minutes;
  return text[0] === '-' ? -(hours * 60 + minutes) : null;
}

/** Returns `null` if the year in UTC does not have four digits. */
function shifted(text: string, offset: number): string | null {
  const local = Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`);
  const utc = new Date(local - offset * 60_000);
  const year = utc.getUTCFullYear();
  return year >= 1 && year <= 9999 ? utc.toISOString().slice(0, 19) : null;
}

const isUpTo = (number: number, most: number): boolean => number >= 0 && number <= most;
