import { readFileSync } from 'node:fs';
import { textType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const parseIn = (raw: string, maxLength?: number) => {
  const type = textType({ name: 'Name', ...(maxLength !== undefined && { maxLength }) });
  return type.parse((JSON.parse(raw) as { Name: string }).Name, new RowSource(raw));
};
const parse = (value: unknown, maxLength?: number) => parseIn(JSON.stringify({ Name: value }), maxLength);

describe('a text', () => {
  it('comes back byte for byte, however naughty', () => {
    const file = `${__dirname}/../../../../test/fixtures/corpora/strings/blns.json`;
    const naughty = JSON.parse(readFileSync(file, 'utf8')) as string[];
    expect(naughty.length).toBeGreaterThan(200);
    for (const text of naughty) expect(parse(text)).toBe(text);
  });

  it.each(['  padded ', 'two\nlines', '\ufeff', 'e\u0301', 'é', '00012', '=1+1', '\u2028', '😀'])(
    '%j is neither trimmed nor normalised',
    (text) => {
      expect(parse(text)).toBe(text);
    },
  );

  it.each([
    ['42', '42'],
    ['1.50', '1.50'],
    ['1e3', '1e3'],
    ['-0', '-0'],
    ['12345678901234567890', '12345678901234567890'],
    ['true', 'true'],
  ])('may be sent as the JSON value %s, and is what was written', (literal, text) => {
    expect(parseIn(`{"Name":${literal}}`)).toBe(text);
    expect(parseIn(`{"Note":"a \\"quoted\\" word", "Name" : ${literal} }`)).toBe(text);
  });

  it.each([[['a']], [{ a: 1 }], [[]]])('is not made of %j', (value) => {
    expect(parse(value)).toMatchObject({ code: 'wrong_type' });
  });

  it.each(['{"Name":"a\\u0000b"}', '{"Name":"\\ud800"}', '{"Name":"\\udc00\\ud800"}'])(
    'that PostgreSQL cannot hold is refused: %s',
    (raw) => {
      expect(parseIn(raw)).toMatchObject({ code: 'unstorable_text' });
    },
  );

  it('may be written with escapes', () => {
    expect(parseIn('{"Name":"\\u0041\\ud83d\\ude00"}')).toBe('A😀');
  });

  it('is measured in characters, not in UTF-16 units', () => {
    expect(parse('😀😀😀', 3)).toBe('😀😀😀');
    expect(parse('😀😀😀😀', 3)).toMatchObject({
      code: 'too_long',
      rule: 'must have at most 3 characters; it has 4',
    });
  });
});
