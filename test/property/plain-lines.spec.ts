import fc from 'fast-check';
import { RecordCollector } from '../../src/batches/record-collector.js';
import { JsonLinesReader } from '../../src/formats/json/json-lines-reader.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { compileWorkflowTarget } from '../../src/workflows/engine/row-application.js';
import { copiedRows } from '../support/copied-rows.js';

const ATTRIBUTES: WorkflowDefinition['attributes'] = [
  { name: 'Name', type: 'ShortText', maxLength: 6 },
  { name: 'Note "x"', type: 'LongText' },
  { name: 'Story', type: 'RichText', maxLength: 8 },
  { name: 'Born', type: 'Date' },
  { name: 'Seen', type: 'DateTime' },
  { name: 'Hours', type: 'Numeric', minimum: 5, maximum: 100 },
  { name: 'Level', type: 'PickList', options: ['Senior', '7', 'Größe'] },
  { name: 'Roles', type: 'MultiSelectList', options: ['a', 'b'] },
  { name: 'Active', type: 'Boolean' },
  { name: 'Other mail', type: 'Email', maxLength: 20 },
  { name: 'Page', type: 'Url' },
];
const NAMES = ATTRIBUTES.map(({ name }) => name);

function target(required: readonly string[], identifierNeeded: 'always' | 'if stated' | 'never') {
  const definition: WorkflowDefinition = {
    ...{ name: 'people', title: 'People', entityType: 'Person', attributes: ATTRIBUTES },
    identifiers: [
      { name: ':Id', unique: true },
      { name: ':Email', unique: false, format: 'email', caseInsensitive: true },
    ],
    steps: [
      {
        name: 'Import',
        kind: 'dataImport',
        actions: [{ id: 1, name: 'Add', inputs: NAMES, required: [...required], primary: { kind: 'save' } }],
      },
    ],
  };
  const configuration = {
    ...{ kind: 'workflow' as const, workflow: 'people', step: 'Import' },
    ...{ onNoMatch: 'create' as const, onMatch: 'update' as const },
  };
  return compileWorkflowTarget({
    ...{ workflowId: 1, definition, configuration, recordSchema: null, identifierNeeded },
  });
}

/** Values at the edges of the rules of each column. */
const EDGES: Record<string, readonly unknown[]> = {
  ':Id': ['A-1', 'a-1', 7, '#N/A', 'x'.repeat(400), 'x'.repeat(401), 'A ', '\u00a0x', 'ä', '\u007f'],
  ':Email': [
    ...[
      'ann@example.org',
      'Ann@Example.ORG',
      'a..b@c.org',
      '.a@b.org',
      'a.@b.org',
      'a@b',
      'a@b..org',
      'a@-b.org',
    ],
    ...[
      'a@b-.org',
      `${'a'.repeat(64)}@b.org`,
      `${'a'.repeat(65)}@b.org`,
      `a@${'b'.repeat(64)}.org`,
      'ä@b.org',
      '@b.org',
    ],
    ...[
      'a@b.org.',
      'a@b.org ',
      'a@b@c.org',
      7,
      `a@${`${'b'.repeat(60)}.`.repeat(4)}org`,
      'a+b_c@d-e.org',
      'a(b@c.org',
    ],
  ],
  Name: ['A', 'abcdef', 'abcdefg', 'äöüäöü', 'äöüäöüä', 7, true, ' ', 'a\\b', 'a"b'],
  'Note "x"': ['any text, however long', 'a\tb', 12, 'x\u0000'],
  Story: ['plain', 'too long a text', '<b>x</b>', '<script></script>', '&amp;'],
  Born: ['2026-02-28', '2026-02-29', '2024-02-29', '2026-1-1', 20260101],
  Seen: ['2026-01-31T09:30:00Z', '2026-01-31T09:30:00', '2026-01-31'],
  Hours: [4, 5, 100, 101, 7.5, '7.5', '007', '1e1', 999_999_999, 1_000_000_000, -7, 'x'],
  Level: ['Senior', 'senior', 7, '7', '07', 'Größe'],
  Roles: ['a', 'a;b', 'c', ['a'], ['c'], '[]'],
  Active: ['true', 'yes', true, 1, 2, '1', 'maybe'],
  'Other mail': ['ann@example.org', 'long.ann@example.org', 'longer.ann@example.org', 'ann'],
  Page: ['https://a.example/', 'http:/a', 'https://a b/'],
  unknown: ['', 'x'],
  ':WorkflowActionName': ['Add', '', 'Subtract'],
};

function valueOf(column: string): fc.Arbitrary<unknown> {
  const [usual, ...others] = EDGES[column] ?? [];
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(usual) },
    { weight: 3, arbitrary: fc.constantFrom(...others) },
    { weight: 1, arbitrary: fc.constantFrom('', null) },
  );
}

/** What a body becomes: its rows to copy and its chunks. `plain`: the number of lines that were not parsed. */
function received(body: Buffer, compiled: ReturnType<typeof target>, mayBePlain: boolean) {
  const rows = new RecordCollector(3);
  let plain = 0;
  const reader = new JsonLinesReader(10_000, (line, row, raw, origin) =>
    rows.add(line, raw, compiled.checkRow(row, raw), origin),
  );
  if (mayBePlain) {
    reader.plainSink = {
      checksOf: (names) => compiled.plainChecks?.(names) ?? null,
      add(line, bytes, start, end, checks) {
        plain += 1;
        rows.addPlain(line, bytes, start, end, checks);
      },
    };
  }
  const middle = body.length >> 1;
  reader.push(body.subarray(0, middle));
  reader.push(body.subarray(middle));
  reader.end();
  rows.end();
  return { plain, stored: { rows: copiedRows(rows.takeRows(5)), chunks: rows.takeChunks() } };
}

describe('a line that is not parsed', () => {
  const columns = fc.uniqueArray(fc.constantFrom(...Object.keys(EDGES)), { minLength: 1, maxLength: 5 });
  const bodies = columns.chain((names) =>
    fc.record({
      names: fc.constant(names),
      rows: fc.array(fc.tuple(...names.map(valueOf)), { minLength: 2, maxLength: 10 }),
      lineEnd: fc.constantFrom('\n', '\r\n', ' \n'),
      space: fc.constantFrom('', ' '),
      required: fc.subarray(names.filter((name) => NAMES.includes(name))),
      needed: fc.constantFrom('always' as const, 'if stated' as const, 'never' as const),
    }),
  );
  const bodyOf = ({
    names,
    rows,
    lineEnd,
    space,
  }: {
    names: string[];
    rows: unknown[][];
    lineEnd: string;
    space: string;
  }) =>
    Buffer.from(
      rows
        .map((values) => {
          const members = names.map(
            (name, i) => `${JSON.stringify(name)}:${space}${JSON.stringify(values[i])}`,
          );
          return `{${members.join(`,${space}`)}}`;
        })
        .join(lineEnd),
    );

  /** Break it: in `IdentifierCheck`, let a value begin with a number sign; or in `isAsciiEmail`, let a label be empty. */
  it('is accepted only if its row is, with the same ordering keys and the same text', () => {
    let plain = 0;
    fc.assert(
      fc.property(bodies, ({ required, needed, ...parts }) => {
        const compiled = target(required, needed);
        const body = bodyOf(parts);
        const found = received(body, compiled, true);
        plain += found.plain;
        expect(found.stored).toEqual(received(body, compiled, false).stored);
      }),
      { numRuns: 4000 },
    );
    expect(plain).toBeGreaterThan(1000);
  });

  /** Break it: in `JsonLinesReader.expect`, expect nothing. */
  it('is each line but the first if values are simple, whatever their language', () => {
    const compiled = target([], 'always');
    const lines = ['A-1', 'A-2', 'A-3'].map((id) =>
      JSON.stringify({ ':Id': id, Name: 'Zoë', Hours: 7, Born: null }),
    );
    const body = Buffer.from(lines.join('\n'));
    expect(received(body, compiled, true).plain).toBe(2);
  });
});
