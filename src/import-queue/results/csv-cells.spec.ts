import fc from 'fast-check';
import { csvCell, csvLine, neutralise, restore } from './csv-cells.js';

describe('neutralising formulas', () => {
  it.each([
    '=1+1',
    '+1',
    '-1+1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    '＝1',
    ' =1',
    '\u200b=1',
    '-',
    '+49 89 1',
  ])('puts an apostrophe before %j', (text) => expect(neutralise(text)).toBe(`'${text}`));

  it.each(['', 'a=1', '1-1', "'", "'a", "O'Hara", '-5', '-5.25', '-1e-7', '5', ' a', ':Email'])(
    'leaves %j as it is',
    (text) => expect(neutralise(text)).toBe(text),
  );

  it('tells a cell it has changed from one that was sent with the apostrophe', () => {
    expect(neutralise("'=1")).toBe("''=1");
    expect(neutralise("'-5")).toBe("''-5");
    expect(restore("'=1")).toBe('=1');
    expect(restore("''=1")).toBe("'=1");
    expect(restore("'a")).toBe("'a");
  });

  const hazard = fc.string({
    unit: fc.constantFrom("'", '=', '+', '-', '@', '\t', '\r', '\n', ' ', '＝', '1', 'a', '.', 'e', '\u200b'),
  });

  it('is undone by restore, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(hazard, fc.string({ unit: 'binary' })), (text) => {
        expect(restore(neutralise(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves no cell that begins like a formula, but for plain negative numbers', () => {
    fc.assert(
      fc.property(hazard, (text) => {
        const cell = neutralise(text);
        if (/^[=+\-@\t\r\n＝]/.test(cell)) expect(Number(cell)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a line of CSV', () => {
  it('quotes what would be read as more than one cell or line, and doubles quotes', () => {
    expect(csvLine(['a', 'b,c', 'd"e', 'f\ng'])).toBe('a,"b,c","d""e","f\ng"\r\n');
  });

  it('quotes white space at the ends so that it is not cut off', () => {
    expect(csvCell(' a')).toBe('" a"');
    expect(csvCell('a\u00a0')).toBe('"a\u00a0"');
  });

  it('tells a column the record does not have from an empty text', () => {
    expect(csvLine([null, '', 'a'])).toBe(',"",a\r\n');
  });

  it('neutralises before it quotes', () => {
    expect(csvCell('=HYPERLINK("http://x","y")')).toBe(`"'=HYPERLINK(""http://x"",""y"")"`);
  });
});
