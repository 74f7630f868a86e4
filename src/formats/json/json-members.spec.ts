import fc from 'fast-check';
import { cellText, findDuplicateKey, findTooDeepNesting, jsonMembers } from './json-members.js';

const membersOf = (text: string) => Object.fromEntries(jsonMembers(text));

describe('the members of a JSON object', () => {
  it('keep every character of their values', () => {
    expect(
      membersOf(' {"a" : 1e400, "b":12345678901234567890,"c":-0.10 ,"d":"x\\u0000\\ud800","e":null} '),
    ).toEqual({
      a: '1e400',
      b: '12345678901234567890',
      c: '-0.10',
      d: '"x\\u0000\\ud800"',
      e: 'null',
    });
  });

  it('keep nested values as they were written', () => {
    expect(membersOf('{"a":[1, {"b":"]}\\""}],"c":{ "d":{} },"e":[],"f":true}')).toEqual({
      a: '[1, {"b":"]}\\""}]',
      c: '{ "d":{} }',
      e: '[]',
      f: 'true',
    });
  });

  it('stay in the order in which they were sent, integer-like keys too', () => {
    expect([...jsonMembers('{"b":1,"2":1,"a":1,"1":1,"__proto__":1}').keys()]).toEqual([
      'b',
      '2',
      'a',
      '1',
      '__proto__',
    ]);
  });

  it('take the last value of a key that occurs twice', () => {
    expect([...jsonMembers('{"a":1,"b":2,"a":3}')]).toEqual([
      ['a', '3'],
      ['b', '2'],
    ]);
  });

  it('are found in lines of many megabytes', () => {
    const long = JSON.stringify({ a: '\\"'.repeat(5_000_000), b: [['x'.repeat(5_000_000)]] });
    const members = jsonMembers(long);
    expect(JSON.parse(members.get('a') ?? '')).toHaveLength(10_000_000);
    expect(members.get('b')).toHaveLength(5_000_006);
  });

  it('are none in an empty object', () => {
    expect(jsonMembers('{ }').size).toBe(0);
  });

  it('are what JSON.parse finds in any object', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' })),
        fc.constantFrom(undefined, 1, '\t'),
        (object, space) => {
          const text = JSON.stringify(object, null, space);
          const members = [...jsonMembers(text)].map(([key, json]) => [key, JSON.parse(json) as unknown]);
          expect(new Map(members as [string, unknown][])).toEqual(
            new Map(Object.entries(JSON.parse(text) as object)),
          );
        },
      ),
    );
  });
});

describe('a member as a cell', () => {
  it.each([
    [undefined, null],
    ['null', ''],
    ['""', ''],
    ['"a\\n\\u00e9"', 'a\né'],
    ['1e400', '1e400'],
    ['false', 'false'],
    ['{"a": [1]}', '{"a": [1]}'],
    ['"\\ud83d\\ude00"', '😀'],
    ['"a\\ud800b"', 'a\\ud800b'],
  ])('is, of %j, %j', (json, cell) => {
    expect(cellText(json)).toBe(cell);
  });
});

describe('a key that occurs twice in one object', () => {
  const found = (text: string) => findDuplicateKey(text, JSON.parse(text) as object);

  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a":1,"b":2,"a":1}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"x":{"b":1,"c":[{"b":1}],"b":2}}', 'b'],
    ['{"x":[{"a":1},{"a":2,"a":3}]}', 'a'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"":1,"":2}', ''],
  ])('is found in %s', (text, key) => expect(found(text)).toBe(key));

  it.each([
    '{}',
    '{"a":"b,\\"a\\":1"}',
    '{"a":{"a":1},"b":["a","a"]}',
    '{"a:":1,"a":":"}',
    '{"a":["x",{"b":1}],"b":1}',
  ])('is not seen in %s', (text) => expect(found(text)).toBeNull());
});

const nested = (levels: number) => '{"a":'.repeat(levels - 1) + '{}' + '}'.repeat(levels - 1);

describe('findTooDeepNesting', () => {
  it('accepts a flat object and one that nests exactly to the limit', () => {
    expect(findTooDeepNesting('{"a":1}', 64)).toBe(-1);
    expect(findTooDeepNesting(nested(64), 64)).toBe(-1);
  });

  it('points at the bracket that is one level too much', () => {
    expect(findTooDeepNesting(nested(65), 64)).toBe('{"a":'.length * 64);
    expect(findTooDeepNesting(`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 64)).toBe('{"a":'.length + 63);
  });

  it('does not count brackets inside strings', () => {
    expect(findTooDeepNesting(`{"a":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}`, 64)).toBe(-1);
  });
});
