import fc from 'fast-check';
import { compareDecimals, decimalText, isTooLong, parseDecimal, storedDecimal } from './numbers.js';

const decimal = (text: string) => {
  const parsed = parseDecimal(text);
  if (parsed === null) throw new Error(`${text} is no decimal`);
  return parsed;
};

describe('a decimal', () => {
  it.each([
    ['0', '0'],
    ['-0', '0'],
    ['0.000e99999', '0'],
    ['7', '7'],
    ['+7', '7'],
    ['007', '7'],
    ['1.50', '1.5'],
    ['.5', '0.5'],
    ['1200', '1200'],
    ['1.2e3', '1200'],
    ['1.2E-3', '0.0012'],
    ['-12.34e1', '-123.4'],
    ['9007199254740993', '9007199254740993'],
    ['0.30000000000000001', '0.30000000000000001'],
    ['100000000000000000000000000001', '100000000000000000000000000001'],
  ])('%s is written out as %s', (text, written) => {
    expect(decimalText(decimal(text))).toBe(written);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '1.',
    '.',
    '-',
    '1,234.5',
    '1.234,5',
    '0x10',
    '1e',
    'Infinity',
    'NaN',
    '１２',
    '1_000',
    '--1',
  ])('is not guessed from %j', (text) => {
    expect(parseDecimal(text)).toBeNull();
  });

  it.each([
    ['1', '2'],
    ['-2', '-1'],
    ['-1', '0'],
    ['0', '0.1'],
    ['9', '10'],
    ['0.09', '0.1'],
    ['1.5', '1.50000000000000000001'],
    ['-1.50000000000000000001', '-1.5'],
  ])('%s is less than %s', (less, more) => {
    expect(compareDecimals(decimal(less), decimal(more))).toBeLessThan(0);
    expect(compareDecimals(decimal(more), decimal(less))).toBeGreaterThan(0);
    expect(compareDecimals(decimal(less), decimal(less))).toBe(0);
  });

  it('compares as whole numbers do', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt(), (left, right) => {
        const expected = left < right ? -1 : left > right ? 1 : 0;
        expect(Math.sign(compareDecimals(decimal(String(left)), decimal(String(right))))).toBe(expected);
      }),
    );
  });

  it.each([
    ['123456789012345', 123456789012345],
    ['1.50', 1.5],
    ['1e-7', 1e-7],
    ['1e22', 1e22],
    ['-0', 0],
    ['1234567890123456', '1234567890123456'],
    ['0.1234567890123456', '0.1234567890123456'],
    ['1e300', `1${'0'.repeat(300)}`],
  ])('%s is stored as %j', (text, stored) => {
    expect(storedDecimal(decimal(text))).toBe(stored);
  });

  it('is stored without loss, and alike however it is written', () => {
    const digits = fc.stringMatching(/^[0-9]{1,25}$/);
    fc.assert(
      fc.property(digits, digits, fc.integer({ min: -40, max: 40 }), (whole, fraction, exponent) => {
        const written = decimal(`${whole}.${fraction}e${exponent}`);
        const stored = storedDecimal(written);
        expect(decimal(JSON.parse(JSON.stringify(String(stored))) as string)).toEqual(written);
        expect(storedDecimal(decimal(decimalText(written)))).toBe(stored);
      }),
    );
  });

  it.each(['1e1000', '1e-1001', '1e999999999999', '0.1e-99999'])(
    '%s is too long to be written out',
    (text) => {
      expect(isTooLong(decimal(text))).toBe(true);
    },
  );

  it('of a thousand digits is not too long', () => {
    expect(isTooLong(decimal('9'.repeat(1000)))).toBe(false);
    expect(isTooLong(decimal('1e400'))).toBe(false);
  });
});
