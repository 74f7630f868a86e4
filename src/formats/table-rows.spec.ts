import { readTable, tableFile } from '../../test/support/uploaded-table.js';

describe('the constants of a mapping', () => {
  const columns = [
    { name: 'Name' },
    { name: 'Level', kind: 'number', literal: true },
    { name: 'Active', kind: 'boolean', literal: true },
    { name: 'Score', kind: 'number', literal: true, nullable: true },
    { name: 'Team' },
  ] as const;
  const rowWith = async (constants: Record<string, string>) => {
    const file = tableFile(Buffer.from('Name\nAnn\n'));
    const { records } = await readTable(file, { constants }, columns);
    return records.map(({ payload }) => payload);
  };

  /** Break it: in `TableRows`, write constants as texts; in `cellJson`, leave `nullable` out. */
  it('are numbers, truth values and null where the columns hold them, and texts elsewhere', async () => {
    expect(await rowWith({ Level: '12.50', Active: 'false', Score: '', Team: '7' })).toEqual([
      '{"Name":"Ann","Level":12.50,"Active":false,"Score":null,"Team":"7"}',
    ]);
    expect(await rowWith({ Score: 'null', Team: 'null' })).toEqual([
      '{"Name":"Ann","Score":null,"Team":"null"}',
    ]);
  });

  it('stay texts if they are not such a value, so that the check of the row says so', async () => {
    expect(await rowWith({ Level: 'high', Active: 'null' })).toEqual([
      '{"Name":"Ann","Level":"high","Active":"null"}',
    ]);
  });
});
