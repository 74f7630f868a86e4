import { visiblyQuoted } from './wording.js';

describe('a text in a message', () => {
  /** Break it: in `UNSEEN`, leave out `\p{Cf}`, or the ends. */
  it.each([
    ['plain text', 'a "b" c', String.raw`"a \"b\" c"`],
    ['a no-break space', 'a@b.org\u00a0', String.raw`"a@b.org\u00a0"`],
    ['a zero-width space', '\u200ba', String.raw`"\u200ba"`],
    ['a soft hyphen', 'exam\u00adple', String.raw`"exam\u00adple"`],
    ['spaces at its ends', ' a b ', String.raw`"\u0020a b\u0020"`],
    ['line breaks and tabs', 'a\r\n\tb', String.raw`"a\r\n\tb"`],
    ['a character beyond the first plane', 'a\u{e0001}', String.raw`"a\u{e0001}"`],
    ['half of a pair', 'a\ud83d', String.raw`"a\ud83d"`],
    ['text that looks like an escape', String.raw`\u0000`, String.raw`"\\u0000"`],
    ['letters of any script', 'Müller 李 😀', '"Müller 李 😀"'],
  ])('shows %s', (_, text, shown) => {
    expect(visiblyQuoted(text)).toBe(shown);
  });
});
