import { copyField, parseCopyField, rowsToCopy, visiblyEscaped } from './copy-rows.js';

describe('copyField', () => {
  it('leaves ordinary text alone', () => {
    expect(copyField('{"a":"ü"}')).toBe('{"a":"ü"}');
  });

  it('escapes what would end a field, a row or begin an escape', () => {
    expect(copyField('a\tb\nc\rd\\N')).toBe('a\\tb\\nc\\rd\\\\N');
  });

  it('tells NULL from the text \\N', () => {
    expect(parseCopyField(copyField(null))).toBeNull();
    expect(parseCopyField(copyField('\\N'))).toBe('\\N');
  });
});

describe('storableText', () => {
  it('makes NUL and unpaired surrogates visible and leaves pairs alone', () => {
    expect(visiblyEscaped('a\u0000b\ud800c\udc00d😀')).toBe('a\\u0000b\\ud800c\\udc00d😀');
  });
});

describe('rowsToCopy', () => {
  /** Break it: leave out the turn. */
  it('lets other work of the process run between rows that take long', async () => {
    let others = 0;
    setImmediate(() => (others += 1));
    const seen: number[] = [];
    const { rows } = await rowsToCopy('t (a)', ['a', 'b'], (row) => {
      const begun = performance.now();
      while (performance.now() - begun < 30);
      seen.push(others);
      return row;
    });
    expect([rows.toString(), seen]).toEqual(['a\nb\n', [0, 1]]);
  });
});
