import type { CompiledTarget, RecordError, RowColumn } from '../records/target.js';
import { CellReader, LocalForms } from './cell-reading.js';
import { type ColumnForm, DateSurvey, DecimalSurvey, STRICT_FORM } from './column-survey.js';

const DMY: ColumnForm = { dateOrder: 'dmy', decimalMark: 'comma' };

function read(kind: RowColumn['kind'], form: ColumnForm, text: string) {
  const errors: RecordError[] = [];
  const reader = new CellReader(
    { name: 'Born', ...(kind && { kind }) },
    form,
    { trim: 'ends', booleans: 'words' },
    { keptSpaces: 0, errorsInText: 0 },
  );
  return { text: reader.read(text, errors), reasons: errors.map(({ message }) => message) };
}

describe('a cell that is not a date or number', () => {
  /** Break it: in `CellReader.date`, push nothing; in `number`, report only texts with a point. */
  it.each([
    [
      'date',
      DMY,
      '31.02.1980',
      '"Born" must be an existing calendar day, written day.month.year; found "31.02.1980"',
    ],
    [
      'date',
      DMY,
      '1.3.98',
      '"Born" must be a date written day.month.year with a four-digit year, for example 31.01.2026; found "1.3.98"',
    ],
    [
      'date',
      { ...DMY, dateOrder: 'mdy' },
      '31/12/2025',
      '"Born" must be an existing calendar day, written month/day/year; found "31/12/2025"',
    ],
    [
      'date',
      STRICT_FORM,
      '01/02/2026',
      '"Born" must be a date written YYYY-MM-DD, unless the order of day, month and year in the file is stated; found "01/02/2026"',
    ],
    [
      'number',
      DMY,
      'vier',
      '"Born" must be a decimal number such as 1234,5: digits, a comma, no thousands separators; found "vier"',
    ],
  ] as const)('as %s names the form of the file', (kind, form, text, reason) => {
    expect(read(kind, form, text)).toEqual({ text, reasons: [reason] });
  });

  it.each([
    ['date', DMY, '2026-02-31', '2026-02-31'],
    ['date', DMY, ' ', ''],
    ['date', STRICT_FORM, 'soon', 'soon'],
    ['date', DMY, '31.12.2025 00:00', '2025-12-31'],
    ['date', { ...DMY, dateOrder: 'mdy' }, '1/31/2026 12:00:00 AM', '2026-01-31'],
    ['date', STRICT_FORM, '2026-01-31T00:00:00', '2026-01-31'],
    ['dateTime', DMY, '31.12.2025 14:30', '2025-12-31T14:30:00Z'],
    ['dateTime', DMY, '1.3.2025, 9:05:07', '2025-03-01T09:05:07Z'],
    ['dateTime', { ...DMY, dateOrder: 'mdy' }, '12/31/2025 2:30 PM', '2025-12-31T14:30:00Z'],
    ['dateTime', DMY, '31.02.2025 14:30', '31.02.2025 14:30'],
    ['dateTime', DMY, '31.12.2025 24:30', '31.12.2025 24:30'],
    ['dateTime', DMY, '31.12.2025 13:30 PM', '31.12.2025 13:30 PM'],
    ['dateTime', STRICT_FORM, '31.12.2025 14:30', '31.12.2025 14:30'],
    ['number', DMY, '1e5', '1e5'],
    ['number', DMY, '-4,50', '-4.50'],
  ] as const)('is left to the check of the row, or read: %s %j %s', (kind, form, text, value) => {
    expect(read(kind, form, text)).toEqual({ text: value, reasons: [] });
  });
});

describe('what the values of a column say', () => {
  /** Break it: in `DateSurvey.add`, match the whole value. */
  it.each([
    [['31.12.2025 14:30', '01.02.2025 08:00'], 'dmy'],
    [['12/31/2025 2:30 PM', '1/2/2025 12:00 AM'], 'mdy'],
    [['01.02.2025 08:00'], null],
    [['31.12.2025 14:30', '12/31/2025 14:30'], null],
  ] as const)('about the order of days and months: %j', (values, order) => {
    const survey = new DateSurvey();
    for (const value of values) survey.add(value);
    expect([survey.order, survey.isUnclear]).toEqual([order, order === null]);
  });

  /** Break it: in `DecimalSurvey.add`, count every number with several marks as grouped; never answer contradictory. */
  it.each([
    [['4,5', '1.234,5'], { hasOnlyCommas: true, isContradictory: false }],
    [['4,5', '1,234,567'], { hasOnlyCommas: false, isContradictory: false }],
    [['4,5', '1.234'], { hasOnlyCommas: false, isContradictory: true }],
    [['1.234', '1.234,5'], { hasOnlyCommas: false, isContradictory: true }],
    [['0.5', '1.234'], { hasOnlyCommas: false, isContradictory: false }],
  ] as const)('about the decimal mark: %j', (values, expected) => {
    const survey = new DecimalSurvey();
    for (const value of values) survey.add(value);
    expect(survey).toMatchObject(expected);
  });
});

describe('the rules of a file that was read before', () => {
  const target: CompiledTarget = {
    columns: [{ name: 'Born', required: true, kind: 'date', description: '', example: '' }],
    schema: {},
    checkRow: () => {
      const error = { code: 'not_a_date', message: 'must be written YYYY-MM-DD', pointer: '/Born' };
      const errors = [error, { code: 'required', message: 'Name is required', pointer: '/Name' }];
      return { error, errors, orderingKeys: [] };
    },
  };

  /** Break it: in `LocalForms.rules`, answer the verdict of the target. */
  it('give reasons that name its form, and keep all other reasons', () => {
    const { rules } = new LocalForms(target, DMY);
    const { error, errors } = rules.checkRow({ Born: '31.02.1980' }, '');
    expect(error?.message).toContain('written day.month.year; found "31.02.1980"');
    expect(errors?.map(({ code }) => code)).toEqual(['not_a_date', 'required']);
    expect(errors?.[1]?.message).toBe('Name is required');
    expect(rules.checkRow({ Born: 3 }, '').error?.message).toBe('must be written YYYY-MM-DD');
  });
});
