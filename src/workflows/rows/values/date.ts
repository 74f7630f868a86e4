import { beginsWithDate, YEAR_PATTERN } from './calendar.js';
import { ValueError } from './value-error.js';
import type { ValueType } from './value-type.js';

const NOT_A_DATE = new ValueError(
  'not_a_date',
  'must be a calendar date written YYYY-MM-DD, for example 2026-01-31',
);
const NO_SUCH_DAY = new ValueError('not_a_date', 'must be a day that the calendar has, written YYYY-MM-DD');
const DATE_PATTERN = `^${YEAR_PATTERN}-`;
const SHAPE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;

/** Date: ISO 8601 only. 01/02/2026 is January to some and February to others, so it is never guessed. */
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
