import { rmSync } from 'node:fs';
import { measure } from './results.js';
import { freshDatabase, median, post, psql, setUpProcess, startProcess, writeRecords } from './support.js';

/**
 * Ingest: from the first byte of the POST to the 202, compared with `psql \copy` of the same rows into the same table, in the
 * same run. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/ingest.ts [records] [rounds]
 */

const records = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 3);
const DATABASE = 'wiq_bench_ingest';
const COLUMNS = 'workflow_import_queue_batch_id, line_number, payload';

await freshDatabase(DATABASE);
const path = await writeRecords(records);
const copied = `${path}.copy`;
const service = await startProcess(DATABASE, 3999, { ROLE: 'api' });
const importProcessId = await setUpProcess(service);

const ours: number[] = [];
const theirs: number[] = [];
let peak = 0;
for (let round = 0; round <= rounds; round += 1) {
  psql(DATABASE, 'TRUNCATE import_queue_line', 'CHECKPOINT');
  service.peakRss();
  const { seconds } = await post(service, importProcessId, path);
  const rss = service.peakRss();
  if (round === 0) psql(DATABASE, `\\copy (SELECT ${COLUMNS} FROM import_queue_line) TO '${copied}'`);
  psql(DATABASE, 'TRUNCATE import_queue_line', 'CHECKPOINT');
  const copySeconds = psql(DATABASE, `\\copy import_queue_line (${COLUMNS}) FROM '${copied}'`);
  const rate = (s: number) => `${Math.round(records / s / 1000)} k/s`;
  const warmUp = round === 0 ? ' (warm-up, not counted)' : '';
  console.log(`POST ${rate(seconds)}, peak RSS ${Math.round(rss)} MB; \\copy ${rate(copySeconds)}${warmUp}`);
  if (round > 0) {
    ours.push(seconds);
    peak = Math.max(peak, Math.round(rss));
    theirs.push(copySeconds);
  }
}
console.log(
  `median of ${rounds}: POST ${median(ours).toFixed(2)} s, \\copy ${median(theirs).toFixed(2)} s, ` +
    `ratio ${(median(theirs) / median(ours)).toFixed(2)}`,
);
measure({
  name: `ingest, ${records.toLocaleString('en')} records, first byte to the 202`,
  unit: 'records/s',
  values: ours.map((seconds) => records / seconds),
  reference: '`\\copy` into the same table',
  referenceValues: theirs.map((seconds) => records / seconds),
  peakRss: { API: peak },
  goal: 0.95,
});
await service.stop();
rmSync(path, { force: true });
rmSync(copied, { force: true });
