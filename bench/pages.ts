import { rmSync } from 'node:fs';
import { Client } from 'pg';
import { storeCopies } from './copied-batch.js';
import { measure } from './results.js';
import {
  BENCH_KEY,
  benchRecord,
  databaseUrl,
  freshDatabase,
  median,
  post,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * Lists and groups of the records of a small batch and of a large one, which no ANALYZE has seen. One record of a
 * thousand is invalid. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/pages.ts [records] [records of the small batch] [requests]
 */

const large = Number(process.argv[2] ?? 2_000_000);
const small = Number(process.argv[3] ?? 50_000);
const requests = Number(process.argv[4] ?? 20);
const DATABASE = 'wiq_bench_pages';
const TEMPLATE_RECORDS = Math.min(1_000, large, small);
const GOAL_MS = 50;

await freshDatabase(DATABASE);
// One record has a level that is not an option.
const template = await writeRecords(TEMPLATE_RECORDS, (n) =>
  n === TEMPLATE_RECORDS / 2 ? benchRecord(n).replace('"Associate"', '"Guest"') : benchRecord(n),
);
const service = await startProcess(DATABASE, 3995, { PARTITION_BATCHES: '1' });
const importProcessId = await setUpProcess(service);
const sql = new Client({ connectionString: databaseUrl(DATABASE) });
await sql.connect();
const { batchId: source } = await post(service, importProcessId, template);
await ended(source);
const batches = {
  small: await storeCopies(sql, source, Math.round(small / TEMPLATE_RECORDS)),
  large: await storeCopies(sql, source, Math.round(large / TEMPLATE_RECORDS)),
};
const PAGES = {
  'first page of Records': () => 'Records',
  'page in the middle': (records: number) => `Records?line=${records / 2}`,
  'status=succeeded': () => 'Records?status=succeeded',
  'status=invalid': () => 'Records?status=invalid',
  ErrorGroups: () => 'ErrorGroups',
};
for (const [name, page] of Object.entries(PAGES)) {
  const times = {
    small: await timed(batches.small, page(small)),
    large: await timed(batches.large, page(large)),
  };
  const shown = (all: readonly number[]) => `median ${median(all).toFixed(1)} ms`;
  console.log(`${name}: ${shown(times.large)} with ${large} records, ${shown(times.small)} with ${small}`);
  measure({
    ...{ name: `${name}, ${large.toLocaleString('en')} records`, unit: 'ms' },
    ...{ values: times.large, goal: GOAL_MS },
  });
  measure({ name: `${name}, ${small.toLocaleString('en')} records`, unit: 'ms', values: times.small });
}
await sql.end();
await service.stop();
rmSync(template, { force: true });

/** In milliseconds, one per request. */
async function timed(batchId: number, page: string): Promise<number[]> {
  const url = `${service.url}/API/WorkflowImportQueue/Batches/${batchId}/${page}`;
  const times: number[] = [];
  for (let n = 0; n < requests; n += 1) {
    const from = performance.now();
    const answer = await fetch(url, { headers: { authorization: `apikey ${BENCH_KEY}` } });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${text.slice(0, 200)}`);
    times.push(performance.now() - from);
  }
  return times;
}

async function ended(batchId: number): Promise<void> {
  for (;;) {
    const { rows } = await sql.query<{ status: string }>(
      'SELECT status FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    if (rows[0]?.status.startsWith('completed')) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
