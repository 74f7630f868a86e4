import { compileJsonSchema, jsonSchemaProblems } from './json-schema.js';
import type { JsonObject, JsonValue } from './json-value.js';

describe('compileJsonSchema', () => {
  const check = (schema: JsonObject, value: JsonValue) => compileJsonSchema(schema)(value);

  it('finds nothing wrong with a row that is as the schema says', () => {
    const schema = { properties: { Email: { type: 'string', format: 'email' } }, required: ['Email'] };
    expect(check(schema, { Email: 'ada@example.org' })).toBeNull();
  });

  it.each<[string, JsonObject, JsonValue, string, string]>([
    ['a member that lacks', { required: ['a/b'] }, {}, '/a~1b', 'is required'],
    ['a member too many', { additionalProperties: false }, { x: 1 }, '/x', 'is not a known property'],
    [
      'a wrong type',
      { properties: { n: { type: ['number', 'null'] } } },
      { n: 'x' },
      '/n',
      'must be number or null',
    ],
    [
      'an unknown value',
      { properties: { n: { enum: ['a', 1] } } },
      { n: 'b' },
      '/n',
      'must be one of "a", 1',
    ],
    ['another constant', { properties: { n: { const: 1 } } }, { n: 2 }, '/n', 'must be 1'],
    ['a value out of range', { properties: { n: { minimum: 0 } } }, { n: -1 }, '/n', 'must be >= 0'],
    ['what is not allowed at all', { properties: { n: false } }, { n: 1 }, '/n', 'is not allowed'],
    [
      'none of the alternatives',
      { anyOf: [{ required: ['a'] }, { properties: { b: { minimum: 3 } }, required: ['b'] }] },
      { b: 1 },
      '',
      'must be one of several forms, and is none: /a is required; or /b must be >= 3',
    ],
    [
      'a condition',
      { if: { properties: { a: { const: 1 } } }, then: { required: ['b'] } },
      { a: 1 },
      '/b',
      'is required',
    ],
  ])('names the place and the reason: %s', (_, schema, value, pointer, message) => {
    expect(check(schema, value)).toMatchObject({ pointer, message });
  });

  it('does not take what every JavaScript object has for members of a row', () => {
    expect(check({ required: ['constructor'] }, {})).toMatchObject({ pointer: '/constructor' });
    expect(check({ properties: { toString: { type: 'string' } } }, {})).toBeNull();
  });

  it('takes decimal multiples for what they are', () => {
    expect(check({ properties: { n: { multipleOf: 0.01 } } }, { n: 0.07 })).toBeNull();
    expect(check({ properties: { n: { multipleOf: 0.01 } } }, { n: 0.075 })).not.toBeNull();
  });

  it.each<[JsonValue[], boolean]>([
    [[1, 2, '1', true, null, [1], { a: 1 }], true],
    [
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      false,
    ],
    [[{ a: [1, 2] }, { a: [2, 1] }], true],
    [[0, -0], false],
    [['1', 1], true],
  ])('knows whether items are unique: %j', (items, unique) => {
    expect(check({ properties: { n: { uniqueItems: true } } }, { n: items }) === null).toBe(unique);
  });

  it('compares the items of an array that fills a line without comparing each with each', () => {
    const items = Array.from({ length: 200_000 }, (_, index) => [index]);
    expect(check({ properties: { n: { uniqueItems: true } } }, { n: items })).toBeNull();
  });

  it('refuses a value that is nested deeper than a recursive schema can follow', () => {
    let value: JsonValue = 1;
    for (let depth = 0; depth < 50_000; depth++) value = [value];
    const schema = { $defs: { list: { items: { $ref: '#/$defs/list' } } }, $ref: '#/$defs/list' };
    expect(check(schema, value)).toMatchObject({ keyword: '$ref' });
  });
});

describe('jsonSchemaProblems', () => {
  const messages = (schema: JsonObject) =>
    jsonSchemaProblems(schema).map(({ pointer, message }) => `${pointer} ${message}`);

  it('has nothing against a schema that uses all of JSON Schema 2020-12', () => {
    expect(
      messages({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $id: 'https://example.org/row',
        title: 'A row',
        'x-owner': 'registrar',
        type: 'object',
        properties: {
          Email: { type: 'string', format: 'email', maxLength: 200 },
          Code: { type: 'string', pattern: '^[A-Z]{2}\\d+$' },
          'a/b %': { $ref: '#/$defs/short%20text' },
          tags: { type: 'array', items: { $ref: '#name' }, uniqueItems: true },
          format: { const: 'properties may be named like keywords' },
        },
        patternProperties: { '^x_': true },
        dependentRequired: { Email: ['Code'] },
        if: { properties: { Code: { const: 'AB1' } } },
        then: { required: ['Email'] },
        unevaluatedProperties: false,
        $defs: { 'short text': { type: 'string', maxLength: 10 }, name: { $anchor: 'name', minLength: 1 } },
      }),
    ).toEqual([]);
  });

  it.each<[string, JsonObject, string]>([
    [
      'a keyword mistyped',
      { propertes: {} },
      '/propertes is not a keyword of JSON Schema 2020-12; did you mean "properties"?',
    ],
    [
      'a keyword of an older draft',
      { dependencies: {} },
      '/dependencies is not a keyword of JSON Schema 2020-12',
    ],
    [
      'another dialect',
      { $schema: 'http://json-schema.org/draft-07/schema#' },
      '/$schema must be "https://json-schema.org/draft/2020-12/schema"',
    ],
    [
      'a type there is not',
      { properties: { a: { type: 'text' } } },
      '/properties/a/type must be one of "array"',
    ],
    [
      'a wrong value of a keyword',
      { properties: { a: { maxLength: '3' } } },
      '/properties/a/maxLength must be integer',
    ],
    ['a reference elsewhere', { $ref: 'https://example.org/row.json' }, '/$ref must begin with #'],
    [
      'a reference to a file',
      { properties: { a: { $ref: 'other.json#/a' } } },
      '/properties/a/$ref must begin with #',
    ],
    [
      'a reference to nothing',
      { properties: { a: { $ref: '#/$defs/b' } } },
      '/properties/a/$ref refers to #/$defs/b',
    ],
    ['a reference to an anchor there is not', { $ref: '#here' }, '/$ref refers to #here'],
    ['a reference that is not encoded', { $ref: '#/%' }, '/$ref refers to #/%'],
    ['a reference in circles', { $ref: '#' }, ' refers to itself without end'],
    [
      'references in circles',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
      ' refers to itself without end',
    ],
    ['an identifier inside', { properties: { a: { $id: 'a' } } }, '/properties/a/$id is allowed at the root'],
    [
      'a format there is not',
      { properties: { a: { format: 'phone' } } },
      '/properties/a/format is not a format that is checked here: date',
    ],
    ['a pattern that is none', { items: { pattern: '[a' } }, '/items/pattern is not a regular expression: '],
    [
      'a pattern that needs back-tracking',
      { allOf: [{ pattern: '(?=a)' }] },
      '/allOf/0/pattern cannot be used: patterns run in bounded time',
    ],
    [
      'a pattern of names',
      { patternProperties: { '(a)\\1': true } },
      '/patternProperties/(a)\\1 cannot be used',
    ],
  ])('names the place and the reason: %s', (_, schema, sentence) => {
    const found = messages(schema);
    expect(found).toEqual([expect.stringContaining(sentence)]);
    expect(found[0]?.startsWith(sentence)).toBe(true);
  });

  it('names all of them at once', () => {
    expect(
      messages({
        propertes: {},
        properties: { a: { format: 'phone', minimum: 'x' }, b: { pattern: '[' } },
      }).map((message) => message.split(' ')[0]),
    ).toEqual(['/propertes', '/properties/a/format', '/properties/b/pattern', '/properties/a/minimum']);
  });
});
