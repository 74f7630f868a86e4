import fc from 'fast-check';
import { boundedPattern, PatternError } from './bounded-pattern.js';

describe('boundedPattern', () => {
  it.each([
    ['^\\d{3}-\\d{4}$', ['555-1234', '555-123', 'x555-1234', '555-1234\n']],
    ['^\\s$', [' ', '\u00a0', '\ufeff', '\v', 'x', '']],
    ['^\\S+$', ['abc', 'a b', 'a\u2003b', '😀']],
    ['^[\\s,]$', ['\u3000', ',', 'x']],
    ['^[^\\S,]$', ['\u3000', ',', 'x']],
    ['^.$', ['a', '😀', '\n', '\r', '\u2028', '']],
    ['^[.]$', ['.', 'a']],
    ['^[^]$', ['\n', 'a', '']],
    ['[]', ['', 'a']],
    ['^[[]$', ['[', 'a']],
    ['^[a[]b$', ['[b', 'ab', 'b']],
    ['^[[:alpha:]$', [':', 'a', 'b']],
    ['^[^[^]$', ['a', '[', '^']],
    ['^[\\b]$', ['\b', 'b']],
    ['\\bcat\\b', ['a cat', 'concat']],
    ['^\\p{L}+$', ['Zoë', '等级', 'a1']],
    ['^\\p{Letter}\\p{gc=Lu}$', ['aB', 'ab']],
    ['^\\p{Script=Greek}+$', ['αβγ', 'abc']],
    ['^\\P{L}$', ['1', 'a']],
    ['^[\\p{Lu}\\d]$', ['A', '1', 'a']],
    ['^[\\u4e00-\\u9fa5]+$', ['等级', 'a']],
    ['^\\ud83d\\ude00$', ['😀', '😃']],
    ['^\\u{1F600}$', ['😀', '😃']],
    ['^\\cJ$', ['\n', 'J']],
    ['^\\0$', ['\0', '0']],
    ['^(?<year>\\d{4})$', ['2026', '26']],
    ['^[(?<a]+$', ['(?<a', 'b']],
    ['^a\\/b\\.c\\-?$'.replace('\\-?', ''), ['a/b.c', 'a/bxc']],
    ['^(?:a|b)*?c{2,3}$', ['abacc', 'abc', 'cccc']],
    ['\\\\[a]', ['\\a', '[a]']],
  ])('%s means what it means to ECMAScript', (pattern, texts) => {
    const bounded = boundedPattern(pattern);
    const builtIn = new RegExp(pattern, 'u');
    expect(texts.map((text) => bounded.test(text))).toEqual(texts.map((text) => builtIn.test(text)));
  });

  it('agrees with ECMAScript on patterns and texts that nobody thought of', () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        'b',
        '.',
        '\\s',
        '\\S',
        '\\d',
        '\\D',
        '\\w',
        '\\W',
        '\\b',
        '[ab]',
        '[^\\s]',
        '[\\S]',
        '[^\\S\\d]',
      ],
      ...[
        '^',
        '$',
        '(?:ab)',
        '(a|b)',
        '[a-f]',
        '[[]',
        '\\u0061',
        '\\n',
        '[^]',
        '\\p{L}',
        'é',
        '😀',
        '\\.',
        '[😀-😂]',
      ],
    );
    const pattern = fc.array(fc.tuple(piece, fc.constantFrom('', '', '?', '*', '+', '{1,2}')), {
      maxLength: 8,
    });
    const text = fc.string({
      unit: fc.constantFrom(...'ab f1_.\n\r\t[]é😀😁\u00a0\u2028\ufeff'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 5 }), (pieces, texts) => {
        // `^*` and `\b+` are not valid in ECMAScript.
        const source = pieces.map(([p, q]) => (/^(\^|\$|\\b)$/.test(p) ? p : p + q)).join('');
        const bounded = boundedPattern(source);
        const builtIn = new RegExp(source, 'u');
        for (const each of texts) expect([each, bounded.test(each)]).toEqual([each, builtIn.test(each)]);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['^(a+)+$', '^(a|a)*$', '^(.*a){20}$', '(x+x+)+y'])(
    'answers where the built-in engine never ends: %s',
    (pattern) => {
      const text = (pattern.includes('x') ? 'x' : 'a').repeat(100_000);
      expect(boundedPattern(pattern).test(`${text}!`)).toBe(false);
    },
  );

  it.each(['[a', '\\', '(?i)abc', '[[:alpha:]]', '\\Z', 'a++', '('])(
    'refuses what is no ECMAScript expression: %s',
    (pattern) => {
      expect(() => boundedPattern(pattern)).toThrow(PatternError);
      expect(() => boundedPattern(pattern)).toThrow(/^is not a regular expression: /);
    },
  );

  it.each([
    '(?=a)b',
    '(?!a)b',
    '(?<=a)b',
    '(?<!a)b',
    '(a)\\1',
    '(?<x>a)\\k<x>',
    'a{1,5000}',
    '\\p{Script_Extensions=Greek}',
  ])('refuses what a linear-time engine cannot do: %s', (pattern) => {
    expect(() => boundedPattern(pattern)).toThrow(/^cannot be used: patterns run in bounded time/);
  });
});
