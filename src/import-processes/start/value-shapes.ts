import { booleanType, valueTypeOf } from '../../workflows/rows/values/attribute-values.js';
import { RowSource, ValueError } from '../../workflows/rows/values/value-type.js';

/** The types whose values can be recognized by their form, the most specific first. */
export const MEASURED_TYPES = ['Email', 'Url', 'Date', 'DateTime', 'Numeric'] as const;
export type MeasuredType = (typeof MEASURED_TYPES)[number];

/**
 * A day in one of the orders that an upload can read. A year of two digits is not recognized, because no one can know
 * its century. Whether the day exists does not matter: a wrong day is a mistake in a column of dates.
 */
const DAY = /^(\d{4}([-./])\d{1,2}\2\d{1,2}|\d{1,2}([-./])\d{1,2}\3\d{4})( 00:00(:00)?)?$/;
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?$/;
/** Without thousands separators. Zeros at the beginning and more digits than a double holds mark codes, not amounts. */
const NUMBER = /^[-+]?(0|[1-9]\d{0,14})([.,]\d{1,15})?$/;
const NOTHING = new RowSource('{}');
const EMAIL = valueTypeOf({ name: 'value', type: 'Email' });
const URL_TYPE = valueTypeOf({ name: 'value', type: 'Url' });

/** Whether a value, without white space at its ends, has the form of the type. */
export function fitsType(type: MeasuredType, value: string): boolean {
  switch (type) {
    case 'Email':
      return value.includes('@') && !(EMAIL.parse(value, NOTHING) instanceof ValueError);
    case 'Url':
      return value.includes('://') && !(URL_TYPE.parse(value, NOTHING) instanceof ValueError);
    case 'Date':
      return value.length <= 20 && DAY.test(value);
    case 'DateTime':
      return value.length <= 40 && TIME.test(value);
    case 'Numeric':
      return value.length <= 40 && NUMBER.test(value);
  }
}

/** Whether the value is a word for yes or no. 1 and 0 are not words. */
export function isBooleanWord(value: string): boolean {
  return !/^[01]$/.test(value) && typeof booleanType.parse(value, NOTHING) === 'boolean';
}
