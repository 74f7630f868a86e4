import { previewedRecords, type StoredChanges } from './previews.sql.js';

describe('a stored preview', () => {
  const chunk = { chunkNumber: 1, firstLine: 1, lastLine: 3, invalid: 0 };
  const outcomes: Parameters<typeof previewedRecords>[0]['outcomes'] = [
    [1, 'update', '7'],
    [2, 'unchanged', '8'],
    [3, 'create', null],
  ];
  const changed = [
    [
      { field: 'Level', before: 'Associate', after: 'Fellow' },
      { field: 'Notes', before: 'old', after: null },
    ],
    [],
    [{ field: '__proto__', before: null, after: ['a', 'b'] }],
  ];

  /** Break it: in `changesAt`, read the values from the first place on. */
  it('answers what each record changes', () => {
    const changes = {
      fields: [['Level', 'Notes'], ['__proto__']],
      values: [
        [0, 'Associate', 'Fellow', 'old', null],
        null,
        [1, null, ['a', 'b']],
      ] as StoredChanges['values'],
    };
    const records = previewedRecords({ ...chunk, outcomes, changes }, new Map([[2, 5]]));
    expect(records.map((record) => record.changes)).toEqual(changed);
    expect(records.map(({ line, row }) => [line, row])).toEqual([
      [1, 1],
      [2, 5],
      [3, 3],
    ]);
  });

  it('may be of 0.2.0-rc.1, or have no changes', () => {
    const earlier = JSON.parse(
      '[{"Level":["Associate","Fellow"],"Notes":["old",null]},null,{"__proto__":[null,["a","b"]]}]',
    ) as Parameters<typeof previewedRecords>[0]['changes'];
    const read = (changes: typeof earlier) =>
      previewedRecords({ ...chunk, outcomes, changes }, new Map()).map((record) => record.changes);
    expect(read(earlier)).toEqual(changed);
    expect(read(null)).toEqual([[], [], []]);
  });
});
