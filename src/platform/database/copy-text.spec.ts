import { copyField, parseCopyField, visiblyEscaped } from './copy-rows.js';

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
