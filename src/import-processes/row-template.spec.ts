import type { TableCell } from '../formats/record-reader.js';
import { tableCells } from '../formats/workbook/workbook-cells.js';
import { openWorkbook } from '../formats/workbook/workbook-worker.js';
import type { RowColumn } from '../records/target.js';
import { rowTemplate } from './row-descriptions.js';

const column = (name: string, example: string): RowColumn => ({
  name,
  example,
  required: true,
  description: '',
});

describe('rowTemplate', () => {
  const columns = [
    column(':Email', 'ada@example.org'),
    column('Role, Level', 'He said "yes"'),
    column('10', '3.50'),
  ];

  it('makes a CSV file of a header and an example, quoted where it must be', async () => {
    expect(await rowTemplate({ columns, schema: {} }, 'csv')).toBe(
      '\ufeff:Email,"Role, Level",10\r\nada@example.org,"He said ""yes""",3.50\r\n',
    );
  });

  it('makes one line of JSON, in which values are texts unless the schema wants something else', async () => {
    const schema = { properties: { ':Email': { type: 'string' }, '10': { type: ['number', 'null'] } } };
    const text = String(await rowTemplate({ columns, schema }, 'jsonl'));
    expect(text.endsWith('\n')).toBe(true);
    expect(JSON.parse(text)).toEqual({
      ':Email': 'ada@example.org',
      'Role, Level': 'He said "yes"',
      '10': 3.5,
    });
  });

  it('makes a workbook with the example as a date, a number or a text', async () => {
    const schema = {
      properties: {
        ':Email': { type: 'string', enum: ['ada@example.org', 'bob@example.org'] },
        '10': { anyOf: [{ type: 'number' }, { type: 'string' }] },
        Day: { type: 'string', format: 'date' },
      },
    };
    const bytes = (await rowTemplate(
      { columns: [...columns, column('Day', '2026-01-31')], schema },
      'xlsx',
    )) as Buffer;
    const range = (start: number, end: number) => Promise.resolve(bytes.subarray(start, end));
    const workbook = await openWorkbook({ size: bytes.length, range }, new AbortController().signal);
    const rows: TableCell[][] = [];
    for await (const block of workbook.rows(0)) rows.push(...block.map(tableCells));
    expect(rows[1]).toMatchObject([
      'ada@example.org',
      'He said "yes"',
      '3.50',
      { kind: 'date', value: '2026-01-31' },
    ]);
    expect(await workbook.sheets()).toEqual([
      expect.objectContaining({ name: 'Rows', hidden: false }),
      expect.objectContaining({ name: 'Lists', hidden: true }),
    ]);
  });
});
