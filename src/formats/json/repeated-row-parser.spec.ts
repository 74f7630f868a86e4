import fc from 'fast-check';
import { RepeatedRowParser } from './repeated-row-parser.js';

function readBy(line: string, model: string): unknown {
  const shape = RepeatedRowParser.of(model);
  if (shape === null) throw new Error(`${model} has no shape`);
  // The reader, too, reads a line from the middle of a block.
  const block = `${model}\n${line}\n`;
  return shape.read(Buffer.from(block), block, model.length + 1, block.length - 1);
}

describe('the shape of a row', () => {
  const model = '{"Id":"A-1","First Name":"Ada","Level":3}';

  it('reads another line with the same names', () => {
    expect(readBy('{"Id":"","First Name":"a,}{\u007f","Level":0}', model)).toEqual({
      Id: '',
      'First Name': 'a,}{\u007f',
      Level: 0,
    });
  });

  it('reads lines with a space after each colon and comma, as Python writes them', () => {
    const spaced = '{"Id": "A-1", "Level": 3}';
    expect(readBy('{"Id": "B", "Level": 999999999}', spaced)).toEqual({ Id: 'B', Level: 999999999 });
    expect(readBy('{"Id":"B","Level":3}', spaced)).toBeNull();
  });

  it.each([
    ['names in another order', '{"First Name":"Ada","Id":"A-1","Level":3}'],
    ['fewer members', '{"Id":"A-1","First Name":"Ada"}'],
    ['more members', '{"Id":"A-1","First Name":"Ada","Level":3,"More":1}'],
    ['a member twice', '{"Id":"A-1","Id":"A-2","First Name":"Ada","Level":3}'],
    ['an escape', '{"Id":"A\\n1","First Name":"Ada","Level":3}'],
    ['a control character', '{"Id":"A\t1","First Name":"Ada","Level":3}'],
    ['a leading zero', '{"Id":"A-1","First Name":"Ada","Level":03}'],
    ['a sign', '{"Id":"A-1","First Name":"Ada","Level":-3}'],
    ['a fraction', '{"Id":"A-1","First Name":"Ada","Level":3.5}'],
    ['an exponent', '{"Id":"A-1","First Name":"Ada","Level":3e5}'],
    ['many digits', '{"Id":"A-1","First Name":"Ada","Level":1234567890}'],
    ['no value', '{"Id":"A-1","First Name":"Ada","Level":}'],
    ['null', '{"Id":"A-1","First Name":null,"Level":3}'],
    ['an object', '{"Id":"A-1","First Name":{},"Level":3}'],
    ['other spaces', '{"Id": "A-1","First Name":"Ada","Level":3}'],
    ['something after its end', '{"Id":"A-1","First Name":"Ada","Level":3}}'],
    ['no end', '{"Id":"A-1","First Name":"Ada","Level":3'],
    ['a text without end', '{"Id":"A-1","First Name":"Ada'],
    ['nothing', ''],
  ])('leaves a line with %s to JSON.parse', (_, line) => {
    expect(readBy(line, model)).toBeNull();
  });

  it.each(['', '[]', '{}', '3', 'null', '{"a":', '{"__proto__":"x"}', '{"a":1,"__proto__":{}}'])(
    'is not made of %j',
    (line) => {
      expect(RepeatedRowParser.of(line)).toBeNull();
    },
  );

  it('reads every line as JSON.parse does, or not at all', () => {
    const name = fc.oneof(
      fc.constantFrom('1', '0', 'a', 'b', 'constructor'),
      fc.string({ maxLength: 3, unit: 'grapheme-ascii' }),
    );
    const value = fc.oneof(
      fc.string({ unit: 'grapheme-ascii', maxLength: 8 }),
      fc.integer(),
      fc.nat(20),
      fc.constantFrom(true, null, 1.5),
    );
    const row = fc.dictionary(name, value, { minKeys: 1, maxKeys: 4 });
    const garbage = fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('"', '\\', '{', '}', ',', ':', '0', '1', ' ', '-', '')),
      {
        maxLength: 2,
      },
    );
    let read = 0;
    fc.assert(
      fc.property(
        row,
        fc.array(value, { minLength: 4, maxLength: 4 }),
        garbage,
        fc.boolean(),
        (like, values, damage, spaced) => {
          const text = (from: object) =>
            spaced ? JSON.stringify(from).replaceAll('":', '": ') : JSON.stringify(from);
          const names = Object.keys(like);
          let line = text(Object.fromEntries(names.map((each, index) => [each, values[index]])));
          for (const [where, what] of damage) {
            const at = where % (line.length + 1);
            line = line.slice(0, at) + what + line.slice(at + 1);
          }
          const shape = RepeatedRowParser.of(text(like));
          const found = shape?.read(Buffer.from(line), line, 0, line.length) ?? null;
          if (found === null) return;
          read += 1;
          expect(found).toStrictEqual(JSON.parse(line));
          expect(Object.keys(found)).toEqual(Object.keys(JSON.parse(line) as object));
        },
      ),
      { numRuns: 5000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});
