import { FieldNames } from '../../src/formats/csv/csv-columns.js';
import { CHOICE_NAMES, DEFAULT_READING, type Reading, type SavedMapping } from '../../src/formats/reading.js';
import type { FileBytes } from '../../src/formats/record-reader.js';
import { type ReadRecord, TableRows } from '../../src/formats/table-rows.js';
import { surveyTable, type TablePlan } from '../../src/formats/table-survey.js';
import { openUpload, type UnderstoodFile, understoodTable } from '../../src/formats/upload-reader.js';
import type { RowColumn } from '../../src/records/target.js';

/** A file that arrives in these pieces. */
export function tableFile(...pieces: readonly Buffer[]): FileBytes {
  const whole = Buffer.concat(pieces);
  return {
    size: whole.length,
    async *pieces() {
      yield* pieces;
    },
    range: (start, end) => Promise.resolve(whole.subarray(start, end)),
  };
}

export interface ReadTable {
  records: ReadRecord[];
  plan: TablePlan;
  understood: UnderstoodFile;
  counts: TableRows['counts'];
}

/** Reads a table as an upload does, without a database. Without columns any header is a field. */
export async function readTable(
  file: FileBytes,
  choices: Partial<Reading> = {},
  columns: readonly (Pick<RowColumn, 'name'> & Partial<RowColumn>)[] = [],
  saved: SavedMapping | null = null,
): Promise<ReadTable> {
  const chosen = CHOICE_NAMES.filter((name) => name in choices);
  const reading = { ...DEFAULT_READING, chosen, ...choices };
  const known = columns.map((column) => ({ required: false, description: '', example: '', ...column }));
  const fields = new FieldNames(known.map(({ name }) => name));
  const opened = await openUpload(file, { reading, fields, maxLineBytes: 100_000 });
  if (opened.format !== 'table') throw new Error(`the file is ${opened.format}`);
  const source = opened.open();
  const mapping = new Map(Object.entries(reading.mapping));
  const plan = await surveyTable(source, {
    ...{ fields, mapping, columns: known, reading },
    saved: { headers: new Set(Object.keys(saved?.columns ?? {})), choose: () => saved },
  });
  const rows = new TableRows(plan, plan.reading);
  const records: ReadRecord[] = [];
  for await (const block of opened.open().rows()) {
    for (const row of block) {
      const record = rows.read(row);
      if (record !== null) records.push(record);
    }
  }
  return { records, plan, understood: understoodTable(source.facts, plan), counts: rows.counts };
}
