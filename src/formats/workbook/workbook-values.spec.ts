import { numberFormat, plainNumber, serialText, withMinDigits } from './workbook-cells.js';

it.each([
  ['yyyy-mm-dd', 'date'],
  ['mmm yy', 'date'],
  ['[$-407]d. mmmm yyyy', 'date'],
  ['"Stand" d.m.', 'date'],
  ['dd/mm/yyyy hh:mm AM/PM', 'datetime'],
  ['yyyy-mm-dd\\Thh:mm:ss.000', 'datetime'],
  ['mm:ss.0', 'time'],
  ['h:mm a/p', 'time'],
  ['[h]:mm', 'duration'],
  ['[ss]', 'duration'],
  ['0.00E+00', 'number'],
  ['##0.0E-0', 'number'],
  ['#,##0.00 [$EUR-407]', 'number'],
  ['[Red]-0.00;[Blue]0.00', 'number'],
  ['0 "days and months"', 'number'],
  ['_-* #,##0\\ \\d_-', 'number'],
  ['General', 'number'],
  ['@', 'number'],
  [';;;d.m.yyyy', 'date'],
])('takes the format %s for a %s', (code, kind) => {
  expect(numberFormat(code).kind).toBe(kind);
});

it.each([
  ['0.30000000000000004', '0.3'],
  ['1.1000000000000001', '1.1'],
  ['45678', '45678'],
  ['4.5678E4', '45678'],
  ['123456789012345678', '123456789012345680'],
  ['12345678901234567', '12345678901234567'],
  ['1.5E-7', '0.00000015'],
  ['-2.5e3', '-2500'],
  ['1E+21', '1000000000000000000000'],
  ['-0', '0'],
  ['+7', '7'],
  ['1,5', null],
  ['0x10', null],
  ['Infinity', null],
  ['', null],
])('reads the number %s as %s', (text, digits) => {
  expect(plainNumber(text)).toBe(digits);
});

it('shows a postal code with the zeros of its format', () => {
  const { minDigits } = numberFormat('00000');
  expect(withMinDigits('501', minDigits)).toBe('00501');
  expect(withMinDigits('0.5', minDigits)).toBe('0.5');
});

it.each([
  [1, 'date', false, '1900-01-01'],
  [59, 'date', false, '1900-02-28'],
  [60, 'date', false, null],
  [61, 'date', false, '1900-03-01'],
  [0, 'date', false, null],
  [-1, 'date', false, null],
  [2958465, 'date', false, '9999-12-31'],
  [2958466, 'date', false, null],
  [0, 'date', true, '1904-01-01'],
  [-0.5, 'datetime', true, null],
  [45678.999999999, 'datetime', false, '2025-01-22T00:00:00'],
  [0.5, 'time', false, '12:00:00'],
  [1.25, 'time', false, '06:00:00'],
  [1.5, 'duration', false, '36:00:00'],
  [-0.25, 'duration', false, '-06:00:00'],
] as const)('reads the serial number %s as %s (1904: %s): %s', (serial, kind, is1904, text) => {
  expect(serialText(serial, kind, is1904)).toBe(text);
});
