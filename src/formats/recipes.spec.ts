import {
  choicesOf,
  DEFAULT_READING,
  type MappedColumn,
  mappingFrom,
  mappingThatFits,
  type SavedMapping,
  withChoicesOf,
} from './reading.js';

const mapping = (name: string, columns: Record<string, MappedColumn>): SavedMapping => ({
  ...{ name, reading: {}, constants: {} },
  columns,
});
const imported = (...headers: string[]) =>
  Object.fromEntries(headers.map((header) => [header, { field: 'F' }]));

describe('a saved mapping', () => {
  /** Break it: in `mappingThatFits`, ask for some of the columns; or for those that are ignored, too. */
  it('fits a file that has every column that it imports', () => {
    const two = mapping('two', { ...imported('a', 'b'), c: { field: null } });
    expect(mappingThatFits([two], ['x', 'b', 'a'])?.name).toBe('two');
    expect(mappingThatFits([two], ['a', 'c'])).toBeNull();
    expect(mappingThatFits([mapping('none', {})], ['a'])).toBeNull();
    const ignores = mapping('ignores', { c: { field: null } });
    expect(mappingThatFits([ignores], ['c'])?.name).toBe('ignores');
    expect(mappingThatFits([ignores], ['a'])).toBeNull();
  });

  /** Break it: in `mappingThatFits`, take the first; or the last of equal ones. */
  it('that names most columns is chosen, and of those the one saved last', () => {
    const [one, other, more] = [
      mapping('one', imported('a')),
      mapping('other', imported('b')),
      mapping('more', imported('a', 'b')),
    ];
    expect(mappingThatFits([one, other, more], ['a', 'b'])?.name).toBe('more');
    expect(mappingThatFits([other, one], ['a', 'b'])?.name).toBe('other');
  });

  /** Break it: in `withChoicesOf`, replace every choice. */
  it('decides only what the sender left open', () => {
    const reading = { ...DEFAULT_READING, trim: 'ends', chosen: ['trim'] } as const;
    const read = withChoicesOf(reading, { trim: 'none', emptyCells: 'clear', dateOrder: 'dmy' });
    expect(read).toMatchObject({ trim: 'ends', emptyCells: 'clear', dateOrder: 'dmy' });
    expect(choicesOf(reading)).toEqual({ trim: 'ends' });
  });

  /** Break it: in `mappingFrom`, keep columns that match nothing. */
  it('holds the columns that were imported, and those that were ignored on purpose', () => {
    const columns = [
      { header: 'a', target: 'A', recipe: { case: 'upper' } },
      { header: 'b', target: null },
      { header: 'c', target: null },
    ] as const;
    expect(mappingFrom(columns, { b: null })).toEqual({
      a: { field: 'A', case: 'upper' },
      b: { field: null },
    });
  });
});
