import { numericType } from './numbers.js';
import { RowSource } from './value-type.js';

const hours = numericType({ name: 'Hours' });
const fromJson = (literal: string, type = hours) => {
  const raw = `{"Hours":${literal}}`;
  return type.parse((JSON.parse(raw) as { Hours: number }).Hours, new RowSource(raw));
};
const fromText = (text: string, type = hours) =>
  type.parse(text, new RowSource(JSON.stringify({ Hours: text })));

describe('a Numeric value', () => {
  it.each([
    ['0', 0],
    ['-0', 0],
    ['-0.0', 0],
    ['42', 42],
    ['-1.50', -1.5],
    ['12.25', 12.25],
    ['1e3', 1000],
    ['1E-3', 0.001],
    ['123456789012345', 123456789012345],
    ['9007199254740993', '9007199254740993'],
    ['0.30000000000000001', '0.30000000000000001'],
    ['0.1000', 0.1],
    ['1e400', `1${'0'.repeat(400)}`],
    ['1e-400', `0.${'0'.repeat(399)}1`],
    ['-123456789012345678901234567890.5', '-123456789012345678901234567890.5'],
  ])('%s is kept exactly, as a JSON number and as text', (literal, kept) => {
    expect(fromJson(literal)).toBe(kept);
    expect(fromText(literal)).toBe(kept);
  });

  it.each([
    ['007', 7],
    ['+7', 7],
    ['.5', 0.5],
    ['0000000000000000000001', 1],
  ])('%s, as files have it, is %d', (text, kept) => {
    expect(fromText(text)).toBe(kept);
  });

  it.each([
    '1,234.5',
    '1.234,5',
    '1 000',
    ' 1',
    '1 ',
    '$5',
    '0x10',
    '1/2',
    'NaN',
    'Infinity',
    '٣',
    '-',
    '.',
    '-.',
    '1.',
  ])('%j is refused, not guessed', (text) => {
    expect(fromText(text)).toMatchObject({
      code: 'not_a_number',
      rule: expect.stringContaining('no thousands separators') as string,
    });
  });

  it.each([true, [1], { number: 1 }])('%j is no number', (value) => {
    expect(hours.parse(value, new RowSource('{}'))).toMatchObject({ code: 'not_a_number' });
  });

  it('of more digits than anyone writes is refused, whatever its exponent', () => {
    expect(fromJson('1e1000')).toMatchObject({ code: 'number_too_long' });
    expect(fromJson('1e-999999999')).toMatchObject({ code: 'number_too_long' });
  });

  it('takes its digits from the last of several members of one name, as JSON does', () => {
    const raw = '{"Hours":1,"Hours":0.30000000000000001}';
    expect(hours.parse(0.3, new RowSource(raw))).toBe('0.30000000000000001');
  });

  describe('with bounds', () => {
    const bounded = numericType({ name: 'Hours', minimum: 0, maximum: 0.3 });

    it.each(['0', '0.3', '0.30000000000000000', '3e-1', '0.29999999999999999999'])(
      '%s is within',
      (literal) => {
        expect(fromJson(literal, bounded)).not.toHaveProperty('code');
        expect(fromText(literal, bounded)).not.toHaveProperty('code');
      },
    );

    it.each([
      ['-1', 'too_small'],
      ['-0.00000000000000000000001', 'too_small'],
      ['0.31', 'too_large'],
      ['0.30000000000000000000001', 'too_large'],
      ['1e400', 'too_large'],
    ])('%s is %s, though a double may not tell', (literal, code) => {
      expect(fromJson(literal, bounded)).toMatchObject({ code });
      expect(fromText(literal, bounded)).toMatchObject({ code });
    });
  });
});
