import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { richTextType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const parse = (value: string, maxLength?: number) =>
  richTextType({ name: 'Note', ...(maxLength !== undefined && { maxLength }) }).parse(
    value,
    new RowSource(JSON.stringify({ Note: value })),
  );

describe('rich text', () => {
  it.each([
    ['<p>Hello <b>you</b></p>', '<p>Hello <b>you</b></p>'],
    ['plain, "as it is"\n', 'plain, "as it is"\n'],
    ['<script>alert(1)</script>Hi', 'Hi'],
    ['<p onclick="alert(1)">Hi</p>', '<p>Hi</p>'],
    ['<a href="javascript:alert(1)">x</a>', '<a>x</a>'],
    ['<a href="https://example.org">x</a>', '<a href="https://example.org">x</a>'],
    ['<img src=x onerror=alert(1)>Hi', 'Hi'],
    ['<p style="position:fixed">Hi</p>', '<p>Hi</p>'],
    ['1 < 2 & 3', '1 &lt; 2 &amp; 3'],
  ])('%j is kept as %j', (html, kept) => {
    expect(parse(html)).toBe(kept);
  });

  it('stays as it is when it is imported again', () => {
    const once = parse('<p>1 < 2 & <i>3</p><script>x</script>');
    expect(parse(once as string)).toBe(once);
  });

  /** Break it: in `sanitized`, return what `sanitizeHtml` answers. */
  it('takes no more memory than its characters, however many elements it has', () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const html = '<p>x'.repeat(10_000);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    const kept = Array.from({ length: 50 }, (_, n) => parse(`${html}${n}`) as string);
    collectGarbage();
    const taken = process.memoryUsage().heapUsed - before;
    expect(taken).toBeLessThan(4 * kept.reduce((sum, { length }) => sum + length, 0));
  });

  it('of which nothing harmless is left means: clear', () => {
    expect(parse('<script>alert(1)</script>')).toBeNull();
  });

  it('has the length of what is kept', () => {
    expect(parse('<script>alert(1)</script>Hi', 2)).toBe('Hi');
    expect(parse('<p>Hi</p>', 8)).toMatchObject({ code: 'too_long' });
  });

  it.each(['<b>', '<div><p>', '<i></b>', '<table><tr><td>', '<x>'])(
    'of many %s inside each other is refused before it costs anything',
    (tag) => {
      expect(parse(tag.repeat(60_000 / tag.length))).toMatchObject({ code: 'rich_text_too_deep' });
    },
  );

  it('may have as many elements beside each other as it likes', () => {
    const html = '<p>a<br />b</p>'.repeat(4_000);
    expect(parse(html)).toBe(html);
  });

  /** Break it: in `sanitized`, check the number of bytes after parsing. */
  it('is refused above 64 KB of HTML before it is parsed, whatever would be kept of it', () => {
    expect(parse(`<!--${'x'.repeat(64 * 1024 - 7)}-->`)).toBeNull();
    expect(parse(`<!--${'x'.repeat(64 * 1024 - 6)}-->`)).toMatchObject({ code: 'too_long' });
    expect(parse(`<!--${'\u00e9'.repeat(33_000)}-->`)).toMatchObject({ code: 'too_long' });
    expect(parse('x'.repeat(100_000))).toHaveLength(100_000);
  });
});
