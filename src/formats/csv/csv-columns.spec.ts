import { FieldNames, readHeader } from './csv-columns.js';

const read = (cells: (string | null)[], mapping: Record<string, string | null> = {}) => {
  const { columns, isOurs } = readHeader(cells, {
    fields: new FieldNames([]),
    mapping: new Map(Object.entries(mapping)),
    saved: new Map(),
  });
  return { isOurs, columns: columns.map(({ header, target }) => [header, target]) };
};

describe('the header of a CSV file', () => {
  it.each([
    ['results', ['a', '_line', '_status', '_error'], [['a', 'a'], ...left('_line', '_status', '_error')]],
    [
      'an export',
      ['a', '_id', '_status', '_step', '_createdAt', '_updatedAt'],
      [['a', 'a'], ...left('_id', '_status', '_step', '_createdAt', '_updatedAt')],
    ],
  ])('of %s is ours, and what we added is left aside', (_what, cells, columns) => {
    expect(read(cells)).toEqual({ isOurs: true, columns });
  });

  it('of results keeps what a record had that only an export adds', () => {
    expect(read(['_id', '_line'])).toEqual({ isOurs: true, columns: [['_id', '_id'], ...left('_line')] });
  });

  /** Break it: in `addedColumns`, do not ask the mapping. */
  it('is not ours when its `_id` stands for a column of a row', () => {
    expect(read(['_id', '_step'], { _id: ':UniqueId' })).toEqual({
      isOurs: false,
      columns: [
        ['_id', ':UniqueId'],
        ['_step', '_step'],
      ],
    });
  });

  /** Break it: in `addedColumns`, ask for `_id` alone. */
  it('is not ours for its `_id` alone, which other programs write too', () => {
    expect(read(['_id', 'a'])).toEqual({
      isOurs: false,
      columns: [
        ['_id', '_id'],
        ['a', 'a'],
      ],
    });
  });

  /** Break it: in `readHeader`, take the cell as it is. */
  it.each([[['_line']], [['_id', '_step']]])(
    'of a file with %j has the names that were neutralized',
    (ours) => {
      expect(read(["'=cmd", "''=1", "'a", ...ours], { '=cmd': 'First Name' }).columns).toEqual([
        ['=cmd', 'First Name'],
        ["'=1", "'=1"],
        ["'a", "'a"],
        ...left(...ours),
      ]);
      expect(read(["'=cmd"]).columns).toEqual([["'=cmd", "'=cmd"]]);
    },
  );

  it('is not ours without the column that only our files have', () => {
    expect(read(['a', null, '_step', '_error'])).toEqual({
      isOurs: false,
      columns: [['a', 'a'], ['(column 2)', '(column 2)'], ['_step', '_step'], ...left('_error')],
    });
  });
});

function left(...headers: string[]): [string, null][] {
  return headers.map((header) => [header, null]);
}
