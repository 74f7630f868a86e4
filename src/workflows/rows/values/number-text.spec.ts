import fc from 'fast-check';
import { numberLiterals, NumberText, RowSource } from './value-type.js';

describe('the numbers of a line', () => {
  it.each([
    ['{"a":1.50}', { a: '1.50' }],
    ['{ "a" : -0 , "b":1E+5 }', { a: '-0', b: '1E+5' }],
    ['{"a":"1","b":2}', { b: '2' }],
    ['{"a":1,"a":2.0}', { a: '2.0' }],
    ['{"a":{"b":7},"c":[8,{"d":9}],"b":1.0}', { b: '1.0' }],
    ['{"x":"\\"a\\":5","a":6.0}', { a: '6.0' }],
    ['{"\\u0061":6.0}', { a: '6.0' }],
    ['{"a\\\\":1.0,"b":2.0}', { 'a\\': '1.0', b: '2.0' }],
    ['{"a":true,"b":null,"c":3.0}', { c: '3.0' }],
    ['{}', {}],
  ])('of %s are read as they are written', (line, literals) => {
    expect(Object.fromEntries(numberLiterals(line))).toEqual(literals);
  });

  it.each([
    ['Hours', '{"Hours":0.3,"\\u0048ours":0.30000000000000001}', 0.3, '0.30000000000000001'],
    ['Hours', '{"Hours":1.0,"Note":"Hours"}', 1, '1.0'],
    ['Hours', '{"Hours":2.0,"Hours" : 1.0}', 1, '1.0'],
    [',', '{",":1.0,"a":["x",":1"]}', 1, '1.0'],
    ['n', '{"a":"n","n":1.0}', 1, '1.0'],
  ])('are found by column: %s in %s', (column, raw, value, written) => {
    expect(new NumberText(column).of(value, new RowSource(raw))).toBe(written);
  });

  it('are found by column where the whole line need not be read', () => {
    const literal = fc.constantFrom('1.50', '42', '1e3', '0.30000000000000001', '-0', '12345678901234567890');
    const name = fc.constantFrom('a', 'Hours', ':Id', ',', '],', '1', 'tr', 'A"B', 'A/B', 'x\\', 'é');
    const text = fc.constantFrom('a', 'Hours', ',', ':', '"Hours":1', '":5', '\\', '\\"a\\":3', '{', '],1');
    const space = fc.constantFrom('', ' ', '\t');
    const value = fc.oneof(
      literal,
      text.map((it) => JSON.stringify(it)),
      fc.constantFrom('true', 'null', '[1,"a"]'),
    );
    const member = fc
      .tuple(name, value, space, space)
      .map(([key, it, before, after]) => `${JSON.stringify(key)}${before}:${after}${it}`);
    fc.assert(
      fc.property(fc.array(member, { minLength: 1, maxLength: 5 }), (members) => {
        const raw = `{${members.join(',')}}`;
        const row = JSON.parse(raw) as Record<string, unknown>;
        for (const [column, found] of Object.entries(row)) {
          if (typeof found !== 'number') continue;
          const written = new NumberText(column).of(found, new RowSource(raw));
          expect(written).toBe(numberLiterals(raw).get(column));
          expect(Number(written)).toBe(found);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
