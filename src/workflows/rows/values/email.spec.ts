import fc from 'fast-check';
import { EMAIL_PATTERN, emailType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const parse = (value: never) =>
  emailType({ name: 'Mail' }).parse(value, new RowSource(JSON.stringify({ Mail: value })));

describe('an Email value', () => {
  it.each([
    'ada@example.org',
    'Ada.Lovelace+news@Example.ORG',
    "o'brien@example.co.uk",
    'a@b.cd',
    'józef@przykład.pl',
    '用户@例子.广告',
    'x@xn--bcher-kva.example',
  ])('%s is kept as it is written', (text) => {
    expect(parse(text as never)).toBe(text);
  });

  it.each([
    'ada',
    'ada@',
    '@example.org',
    'ada@example',
    'ada@@example.org',
    'ada@exa mple.org',
    ' ada@example.org',
    'ada@example.org ',
    'Ada <ada@example.org>',
    'ada@example.org, bob@example.org',
    '.ada@example.org',
    'ada..l@example.org',
    'ada@-example.org',
    'ada@example-.org',
    'ada@example.org\n',
    'ada@example.org\r\nBcc: bob@example.org',
    `${'a'.repeat(65)}@example.org`,
    `a@${'b.'.repeat(130)}org`,
    5,
    ['ada@example.org'],
  ])('%j is refused', (value) => {
    expect(parse(value as never)).toMatchObject({ code: 'not_an_email' });
  });

  it('is what the pattern of the row schema says, if it is short', () => {
    const pattern = new RegExp(EMAIL_PATTERN, 'u');
    const piece = fc.constantFrom('a', 'B', '1', '.', '-', '@', 'é', ' ', '_', '"');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        expect(parse(text as never) === text).toBe(pattern.test(text));
      }),
      { numRuns: 2_000 },
    );
  });
});
