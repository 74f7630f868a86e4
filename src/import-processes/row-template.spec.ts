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

  it('makes a CSV file of a header and an example, quoted where it must be', () => {
    expect(rowTemplate({ columns, schema: {} }, 'csv')).toBe(
      ':Email,"Role, Level",10\r\nada@example.org,"He said ""yes""",3.50\r\n',
    );
  });

  it('makes one line of JSON, in which values are texts unless the schema wants something else', () => {
    const schema = { properties: { ':Email': { type: 'string' }, '10': { type: ['number', 'null'] } } };
    const text = rowTemplate({ columns, schema }, 'jsonl');
    expect(text.endsWith('\n')).toBe(true);
    expect(JSON.parse(text)).toEqual({
      ':Email': 'ada@example.org',
      'Role, Level': 'He said "yes"',
      '10': 3.5,
    });
  });
});
