import fc from 'fast-check';
import type { BatchReader } from '../../src/batches/batch-reader.js';
import type { RecordSet } from '../../src/batches/record-pages.js';
import type { RecordRow } from '../../src/batches/record-pages.sql.js';
import { csvFile } from '../../src/import-queue/result-download.js';
import type { JsonObject, JsonValue } from '../../src/platform/json/json-value.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { compileWorkflowTarget } from '../../src/workflows/engine/row-application.js';
import { readTable, tableFile } from '../support/uploaded-table.js';

const OPTIONS = ['a', 'b', 'C, D', 'E;F', 'G\\', '"H"', '[I]', '=J', '1', 'true', '\\ud800'];
const INPUTS: WorkflowDefinition['attributes'] = [
  { name: 'Text', type: 'ShortText' },
  { name: 'Long', type: 'LongText' },
  { name: 'Rich', type: 'RichText' },
  { name: 'Number', type: 'Numeric' },
  { name: 'Yes', type: 'Boolean' },
  { name: 'Day', type: 'Date' },
  { name: 'Option', type: 'PickList', options: OPTIONS },
  { name: 'Options', type: 'MultiSelectList', options: OPTIONS },
];
const compiled = compileWorkflowTarget({
  workflowId: 1,
  definition: {
    name: 'all',
    title: 'Attributes of many types',
    entityType: 'Thing',
    identifiers: [
      { name: ':Id', unique: true },
      { name: ':Other', unique: true },
    ],
    attributes: INPUTS,
    steps: [
      {
        name: 'Import',
        kind: 'dataImport',
        actions: [{ id: 1, name: 'Set', inputs: INPUTS.map(({ name }) => name), primary: { kind: 'save' } }],
      },
    ],
  },
  configuration: {
    kind: 'workflow',
    workflow: 'all',
    step: 'Import',
    onNoMatch: 'create',
    onMatch: 'update',
  },
  recordSchema: null,
  identifierNeeded: 'always',
});

/** Parts of text that look like a cell, a formula or an escape. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      ...[
        '"',
        ',',
        ';',
        '\n',
        '\r',
        ' ',
        '\t',
        "'",
        '=',
        '+',
        '-',
        '@',
        '[',
        ']',
        '{',
        '\\',
        '\\ud83d',
        '\\ude00',
      ],
      ...[
        '\ud83d',
        '\ude00',
        '\u0000',
        '\ufeff',
        '\u200b',
        'ud800',
        'null',
        '1',
        '.',
        'a',
        'ß',
        '語',
        '😀',
        '＝',
      ],
    ),
    maxLength: 10,
  }),
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom(
    '',
    'null',
    'true',
    '-5',
    '+49 30 1234',
    '2026-01-31',
    '[]',
    '["a"]',
    '["a","C, D"]',
    '\\ud800',
  ),
);
const scalar = fc.oneof(
  { weight: 4, arbitrary: text },
  fc.constantFrom<JsonValue>(null, true, false, 0, -1.5, 1e300, 2 ** 64),
);
const chosen = fc.oneof(fc.array(fc.constantFrom(...OPTIONS), { maxLength: 3 }), fc.constantFrom(...OPTIONS));

/** A CSV download of all records. */
async function downloaded(payloads: readonly string[], sent: readonly string[]): Promise<string> {
  const rows = payloads.map((payload, index): RecordRow => ({
    ...{ line: index + 1, status: 'failed', operation: null, reference: null, attempts: 1, payload },
    ...{ errorCode: 'wrong', errorMessage: 'it is "wrong"', errorPointer: '/Text', originLine: null },
    ...{ errors: null, row: null },
  }));
  const pages = async function* () {
    yield rows;
  };
  const records = { pages, pagesToCome: pages } as unknown as RecordSet;
  const columns = sent.map((header) => ({ header, target: header }));
  const understood = { format: 'csv', encoding: 'utf-8', delimiter: ',', columns };
  const reader = { sourceFile: () => Promise.resolve({ batchId: 7, understood }) } as unknown as BatchReader;
  const { pieces } = await csvFile({ batchId: 7, records, reader }, { bom: 'false' });
  const bytes: Buffer[] = [];
  for await (const piece of pieces) bytes.push(piece as Buffer);
  return Buffer.concat(bytes).toString();
}

async function uploaded(csv: string): Promise<string[]> {
  // Without fields any header is one: the names of the records are arbitrary.
  const { records } = await readTable(tableFile(Buffer.from(csv)));
  expect(records.flatMap(({ errors }) => errors)).toEqual([]);
  return records.map(({ payload }) => payload);
}

/** What pass 2 would make of the record; of a refused one only that it is. */
function meaning(payload: string) {
  const { row } = compiled.parseRow({ line: 1, payload });
  if (row === undefined) return 'refused';
  const { identifiers, values, action } = row;
  return {
    action: action.name,
    identifiers,
    values: Object.fromEntries(values.map((each) => [each.field, each.after])),
  };
}

describe('a JSON record that is downloaded as CSV and uploaded again', () => {
  /**
   * Break it: in `memberText`, answer `null` for `'null'`; in `itemsOf` of MultiSelectList, answer `split` always; in
   * `csvCell`, do not escape halves.
   */
  it('means the same for every value, or is refused again', async () => {
    const record = fc.record<Record<string, JsonValue>>(
      {
        ':Id': scalar,
        ':Other': scalar,
        Text: scalar,
        Long: scalar,
        Rich: scalar,
        Number: scalar,
        Yes: scalar,
        Day: scalar,
        Option: fc.oneof(scalar, fc.constantFrom(...OPTIONS)),
        // No value of a wrong kind: the text of `true` may be an option, `true` itself is not one.
        Options: fc.oneof(chosen, chosen, text, fc.constant(null)),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 4 }), async (records) => {
        const payloads = records.map((each) => JSON.stringify(each));
        const again = await uploaded(await downloaded(payloads, []));
        expect(again.map(meaning)).toEqual(payloads.map(meaning));
      }),
      { numRuns: 500 },
    );
  });

  /** Break it: in `readHeader`, take the cell as it is; in `csvCell`, do not escape halves. */
  it('keeps its texts and its names', async () => {
    const name = text.filter((each) => !['_line', '_status', '_error', '_batch', '__proto__'].includes(each));
    const record = fc.dictionary(name, fc.oneof(text, fc.constant(null)), { maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { minLength: 1, maxLength: 4 }),
        fc.uniqueArray(name, { maxLength: 3 }),
        async (records, sent) => {
          const csv = await downloaded(
            records.map((each) => JSON.stringify(each)),
            sent,
          );
          const again = (await uploaded(csv)).map((payload) => JSON.parse(payload) as JsonObject);
          expect(again).toEqual(
            records.map((each) =>
              Object.fromEntries(Object.entries(each).map(([key, value]) => [key, value ?? ''])),
            ),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
