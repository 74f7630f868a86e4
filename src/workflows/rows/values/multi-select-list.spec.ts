import fc from 'fast-check';
import { escapeOption, splitOptions } from '../../../records/rows.js';
import { multiSelectListType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const interests = multiSelectListType(['Chess', 'Go', 'A; B', 'C\\D']);
const parse = (value: never) => interests.parse(value, new RowSource('{}'));

describe('a MultiSelectList value', () => {
  it.each([
    [
      ['Chess', 'Go'],
      ['Chess', 'Go'],
    ],
    [
      ['Go', 'Chess', 'Go'],
      ['Go', 'Chess'],
    ],
    ['Go;Chess', ['Go', 'Chess']],
    ['Go', ['Go']],
    ['A\\; B;Go', ['A; B', 'Go']],
    ['C\\D', ['C\\D']],
    ['C\\\\D;Go', ['C\\D', 'Go']],
  ])('%j is kept as %j: in the order given, each once', (value, kept) => {
    expect(parse(value as never)).toEqual(kept);
  });

  it('without an option means: clear', () => {
    expect(parse([] as never)).toBeNull();
    expect(parse('[]' as never)).toBeNull();
  });

  /** Break it: in `itemsOf`, always return `split`. */
  it.each([[['Chess', 'Go']], [['A; B']], [['C\\D', 'Chess', 'C\\D']]])(
    '%j is kept as the same when it is sent as the text of its JSON, as a CSV download has it',
    (value) => {
      expect(parse(JSON.stringify(value) as never)).toEqual(parse(value as never));
      expect(parse(JSON.stringify(value, null, 1) as never)).toEqual(parse(value as never));
    },
  );

  /** Break it: in `itemsOf`, look for an array first. */
  it.each(['["Go"]', '[a;b]', '["x;y"]'])('takes %s for the option that it is', (option) => {
    const own = multiSelectListType([option, 'Go', 'x;y']);
    expect(own.parse(escapeOption(option), new RowSource('{}'))).toEqual([option]);
  });

  it.each([
    ['Go;chess', ' Did you mean "Chess"?'],
    ['Go; Chess', ' Did you mean "Chess"?'],
    [['Ches'], ' Did you mean "Chess"?'],
    ['Go;', ''],
    ['A; B', ''],
    ['["Ches"]', ' Did you mean "Chess"?'],
    ['["Go"', ' Did you mean "Go"?'],
    ['["Go",1]', ' Did you mean "Go"?'],
    ['[["Go"]]', ' Did you mean "Go"?'],
  ])('%j is refused', (value, hint) => {
    expect(parse(value as never)).toMatchObject({ code: 'not_an_option', hint });
  });

  it.each([[[1]], [[['Go']]], [[null]], [{ Go: true }], [5], [true]])('%j is of the wrong type', (value) => {
    expect(parse(value as never)).toMatchObject({ code: 'wrong_type' });
  });

  it('can be written as a text whatever its options are', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (options) => {
        expect(splitOptions(options.map(escapeOption).join(';'))).toEqual(options);
      }),
    );
  });
});
