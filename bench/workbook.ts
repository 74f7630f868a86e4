import { createWriteStream, openAsBlob, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeWorkbook } from '../src/formats/workbook/workbook-writer.js';
import { measure } from './results.js';
import {
  api,
  BENCH_KEY,
  benchRecord,
  freshDatabase,
  median,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * A workbook: an upload of XLSX with 12 columns, from the first byte to the summary that awaits confirmation, compared with
 * the same rows as CSV. Four of the columns are not imported. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/workbook.ts [rows] [rounds]
 */

const records = Number(process.argv[2] ?? 200_000);
const rounds = Number(process.argv[3] ?? 3);
const DATABASE = 'wiq_bench_workbook';
const QUEUE = '/API/WorkflowImportQueue';
const FIELDS = Object.keys(JSON.parse(benchRecord(1)) as object);
const HEADERS = [...FIELDS, 'Remark', 'Source', 'Row', 'Checked'];

function cellsOf(n: number): string[] {
  const record = JSON.parse(benchRecord(n)) as Record<string, unknown>;
  const remarks = [`remark ${n % 5000}`, 'export', String(n), n % 2 === 0 ? 'yes' : 'no'];
  return [...FIELDS.map((field) => String(record[field])), ...remarks];
}

await freshDatabase(DATABASE);
const csv = await writeRecords(records, (n) =>
  n === 0 ? `${HEADERS.join(',')}\n${cellsOf(0).join(',')}` : cellsOf(n).join(','),
);
const workbook = join(dirname(csv), 'rows.xlsx');
await pipeline(
  writeWorkbook({
    name: 'Rows',
    columns: HEADERS.map((header) => ({ header, kind: header === 'Hours' ? 'number' : 'text' })),
    rows: blocks(),
  }),
  createWriteStream(workbook),
);
const service = await startProcess(DATABASE, 3992);
const importProcessId = await setUpProcess(service);

const seconds: Record<'csv' | 'xlsx', number[]> = { csv: [], xlsx: [] };
const peaks: Record<'csv' | 'xlsx', number> = { csv: 0, xlsx: 0 };
for (let round = 0; round <= rounds; round += 1) {
  for (const [format, path] of [
    ['csv', csv],
    ['xlsx', workbook],
  ] as const) {
    service.peakRss();
    const taken = await summarized(`rows.${format}`, path);
    const peak = Math.round(service.peakRss());
    const warmUp = round === 0 ? ' (warm-up, not counted)' : '';
    console.log(`${format}: ${taken.toFixed(1)} s, peak RSS ${peak} MB${warmUp}`);
    if (round === 0) continue;
    seconds[format].push(taken);
    peaks[format] = Math.max(peaks[format], peak);
  }
}
console.log(`median of ${rounds}: ratio ${(median(seconds.csv) / median(seconds.xlsx)).toFixed(2)}`);
measure({
  name: `XLSX, ${records.toLocaleString('en')} rows of 12 columns, to the summary`,
  unit: 'rows/s',
  values: seconds.xlsx.map((each) => records / each),
  reference: 'the same rows as CSV',
  referenceValues: seconds.csv.map((each) => records / each),
  peakRss: { API: peaks.xlsx },
  goal: 0.4,
});
await service.stop();
rmSync(dirname(csv), { recursive: true, force: true });

async function* blocks() {
  for (let first = 0; first < records; first += 1000) {
    yield Array.from({ length: Math.min(1000, records - first) }, (_, index) => ({
      cells: cellsOf(first + index),
      marked: [],
    }));
  }
}

/** Uploads the file and waits until it awaits confirmation; answers the seconds, and abandons the import. */
async function summarized(fileName: string, path: string): Promise<number> {
  const form = new FormData();
  form.append('file', await openAsBlob(path), fileName);
  const started = performance.now();
  const answer = await fetch(
    `${service.url}${QUEUE}/Uploads?fileName=${fileName}&importProcessId=${importProcessId}`,
    { method: 'POST', headers: { authorization: `apikey ${BENCH_KEY}` }, body: form },
  );
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
  const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: batchId } = JSON.parse(text) as Record<string, number>;
  for (;;) {
    const { status } = await api(service, 'GET', `${QUEUE}/Batches/${batchId}`);
    if (status === 'awaiting_confirmation') break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const taken = (performance.now() - started) / 1000;
  await api(service, 'POST', `${QUEUE}/Batches/${batchId}/Abandon`);
  return taken;
}
