import { urlType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const parse = (value: never) =>
  urlType({ name: 'Page' }).parse(value, new RowSource(JSON.stringify({ Page: value })));

describe('a Url value', () => {
  it.each([
    'https://example.org',
    'http://example.org:8080/a/b?c=d#e',
    'HTTPS://Example.org/',
    'https://例え.jp/パス',
    'http://[::1]/',
    'https://user@example.org/',
  ])('%s is kept as it is written', (text) => {
    expect(parse(text as never)).toBe(text);
  });

  it.each([
    'example.org',
    'ftp://example.org',
    'javascript:alert(1)',
    'mailto:ada@example.org',
    'http:example.org',
    'http:///example.org',
    'http:\\\\example.org',
    'https://exa mple.org',
    ' https://example.org',
    'https://example.org\n',
    'https://example.org/\tx',
    'https://',
    'https://[::1',
    'https://example.org:99999/',
    5,
  ])('%j is refused', (value) => {
    expect(parse(value as never)).toMatchObject({ code: 'not_a_url' });
  });
});
