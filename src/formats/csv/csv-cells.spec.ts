import fc from 'fast-check';
import {
  csvCell,
  csvLine,
  escapeLoneSurrogates,
  neutralizeFormula,
  restoreFormula,
  restoreLoneSurrogates,
} from './csv-cells.js';

describe('neutralizing formulas', () => {
  it.each(['=1+1', '+1', '-1+1', '@SUM(A1)', '＝1', ' =1', '\u200b=1', '-', '+49 89 1'])(
    'puts an apostrophe before %j',
    (text) => expect(neutralizeFormula(text)).toBe(`'${text}`),
  );

  it.each(['', 'a=1', '1-1', "'", "'a", "O'Hara", '-5', '-5.25', '-1e-7', '5', ' a', ':Email'])(
    'leaves %j as it is',
    (text) => expect(neutralizeFormula(text)).toBe(text),
  );

  it('tells a cell it has changed from one that was sent with the apostrophe', () => {
    expect(neutralizeFormula("'=1")).toBe("''=1");
    expect(neutralizeFormula("'-5")).toBe("''-5");
    expect(restoreFormula("'=1")).toBe('=1');
    expect(restoreFormula("''=1")).toBe("'=1");
    expect(restoreFormula("'a")).toBe("'a");
  });

  const hazard = fc.string({
    unit: fc.constantFrom(
      ...["'", '=', '+', '-', '@', '\t', '\r', '\n', ' ', '＝', '1', 'a', '.', 'e', '\u200b', ';', '|', '"'],
    ),
  });

  /** Break it: in `neutralizeFormula`, look at the beginning of the text only. */
  it.each([
    ['\t=1', "'\t'=1"],
    ['\r=1', "'\r'=1"],
    ['\n=1', "'\n'=1"],
    ['x;=1+1;y', "x;'=1+1;y"],
    ['x\t@SUM(A1)', "x\t'@SUM(A1)"],
    ['x|+1', "x|'+1"],
    ['a\n=1', "a\n'=1"],
    ['a; "=1"', 'a;\' "=1"'],
    ["x;'=1", "x;''=1"],
    ['1;-5;x', '1;-5;x'],
    ['a;b|c, d', 'a;b|c, d'],
  ])('guards what another list separator would make a cell of: %j', (text, cell) => {
    expect(neutralizeFormula(text)).toBe(cell);
    expect(restoreFormula(cell)).toBe(text);
  });

  it('is undone by restore, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(hazard, fc.string({ unit: 'binary' })), (text) => {
        expect(restoreFormula(neutralizeFormula(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves no cell that begins like a formula, but for plain negative numbers', () => {
    fc.assert(
      fc.property(hazard, (text) => {
        const cell = neutralizeFormula(text);
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

  it('neutralizes before it quotes', () => {
    expect(csvCell('=HYPERLINK("http://x","y")')).toBe(`"'=HYPERLINK(""http://x"",""y"")"`);
  });
});

describe('a half of a surrogate pair in a CSV file', () => {
  it.each([
    ['x\ud800y', 'x\\ud800y'],
    ['\udfff', '\\udfff'],
    ['\\\ud800', '\\\\\\ud800'],
    ['x\\ud800y', 'x\\\\ud800y'],
    ['\\\\ud83d\\ude00', '\\\\\\\\ud83d\\\\ude00'],
  ])('is told from its escape: %j is %j', (text, written) => {
    expect(escapeLoneSurrogates(text)).toBe(written);
    expect(restoreLoneSurrogates(written)).toBe(text);
  });

  it.each(['', 'a\\b', '😀', 'ud800', '\\uD800', '\\u00e9', '\\ud8', 'C:\\udder'])(
    'changes nothing else: %j',
    (text) => {
      expect(escapeLoneSurrogates(text)).toBe(text);
      expect(restoreLoneSurrogates(text)).toBe(text);
    },
  );

  /** Break it: in `restoreLoneSurrogates`, answer `restored` always. */
  it('does not make a character of two escapes, which we never write', () => {
    expect(restoreLoneSurrogates('\\ud83d\\ude00')).toBe('\\ud83d\\ude00');
  });

  /** Break it: in `escapeLoneSurrogates`, do not double the backslashes. */
  it('comes back whatever the text', () => {
    const hazard = fc.string({
      unit: fc.constantFrom(
        '\\',
        '\\ud83d',
        '\\ude00',
        'ud83d',
        '\ud83d',
        '\ude00',
        'u',
        'd',
        '8',
        'a',
        '😀',
      ),
    });
    fc.assert(
      fc.property(hazard, (text) => {
        const written = escapeLoneSurrogates(text);
        expect(written.isWellFormed()).toBe(true);
        expect(restoreLoneSurrogates(written)).toBe(text);
      }),
      { numRuns: 5000 },
    );
  });

  it('is looked for in a line of a million backslashes', () => {
    const long = `${'\\'.repeat(1_000_000)}\ud800${'\\'.repeat(1_000_000)}`;
    // Compared here, because a printed difference of this size would be unreadable.
    expect(restoreLoneSurrogates(escapeLoneSurrogates(long)) === long).toBe(true);
  });
});
