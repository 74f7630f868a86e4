import { dateType } from './dates.js';
import { RowSource } from './value-type.js';

const parse = (value: never) => dateType.parse(value, new RowSource('{}'));

describe('a Date value', () => {
  it.each(['2026-01-31', '2024-02-29', '2000-02-29', '0001-01-01', '9999-12-31'])('%s is kept', (text) => {
    expect(parse(text as never)).toBe(text);
  });

  it.each([
    ['2026-02-29'],
    ['1900-02-29'],
    ['2026-04-31'],
    ['2026-13-01'],
    ['2026-00-10'],
    ['2026-01-00'],
    ['0000-01-01'],
  ])('%s is not a calendar day', (text) => {
    expect(parse(text as never)).toMatchObject({
      code: 'not_a_date',
      rule: expect.stringContaining('existing calendar day') as string,
    });
  });

  it.each([
    '01/02/2026',
    '2026-1-2',
    '20260102',
    ' 2026-01-02',
    '2026-01-02T00:00:00Z',
    '2026-W01-1',
    '٢٠٢٦-01-02',
    20260102,
    true,
  ])('%j is refused with the accepted form, never guessed', (value) => {
    expect(parse(value as never)).toMatchObject({
      code: 'not_a_date',
      rule: expect.stringContaining('YYYY-MM-DD') as string,
    });
  });
});
