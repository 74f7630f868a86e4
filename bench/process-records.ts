import '../src/app/heap.js';
import 'reflect-metadata';
import { rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { migrate } from '../src/app/database.js';
import { createApp } from '../src/app/start.js';
import { loadConfig } from '../src/platform/config/config-loader.js';
import { DatabaseService } from '../src/platform/database/database.service.js';
import { processJobPerRecord } from './job-per-record.js';
import { measure } from './results.js';
import { ownTablesSql, RECORD_TABLE_OF_REFERENCE, setBasedSql } from './set-based-reference.js';
import {
  BENCH_KEY,
  benchRecord,
  databaseUrl,
  freshDatabase,
  median,
  post,
  psql,
  REDIS,
  type Service,
  setUpProcess,
  writeRecords,
} from './support.js';

/**
 * Processing: stored records through Bull, runner and workflow target to their outcomes, compared with the
 * same effects as set-based SQL in one psql session and with one Bull job per record, in the same run. By hand:
 *   node --import @swc-node/register/esm-register bench/process-records.ts [records] [rounds] [records one by one] [setAttribute]
 * With `setAttribute` the action also sets an attribute, here and in psql. With 0 records one by one, that part is left out.
 */

const records = Number(process.argv[2] ?? 200_000);
const rounds = Number(process.argv[3] ?? 3);
const recordsOneByOne = Number(process.argv[4] ?? 10_000);
const setsAttribute = process.argv[5] === 'setAttribute';
const OURS = 'wiq_bench_process';
const THEIRS = 'wiq_bench_process_reference';

const path = await writeRecords(records);
const changed = await writeRecords(records, (n) => benchRecord(n).replace('some words', 'other words'));
const rates: Record<string, number[]> = {
  create: [],
  unchanged: [],
  update: [],
  psql: [],
  'psql, own tables': [],
  'job per record': [],
};

for (let round = 1; round <= rounds; round += 1) {
  await processOurs();
  await processTheirs();
  const last = Object.entries(rates).flatMap(([name, all]) =>
    all.length > 0 ? [`${name} ${all.at(-1)}`] : [],
  );
  console.log(`round ${round}, records/s: ${last.join(', ')}`);
}
const of = (name: string): number => median(rates[name] ?? []);
console.log(
  `median of ${rounds}: create ${of('create')}/s; set-based psql ${of('psql')}/s, ratio ${(of('create') / of('psql')).toFixed(2)}; ` +
    `psql into our tables ${of('psql, own tables')}/s, ratio ${(of('create') / of('psql, own tables')).toFixed(2)}; ` +
    (recordsOneByOne > 0
      ? `job per record ${of('job per record')}/s, ratio ${(of('create') / of('job per record')).toFixed(1)}; `
      : '') +
    `unchanged ${of('unchanged')}/s, ratio to create ${(of('unchanged') / of('create')).toFixed(2)}; update ${of('update')}/s`,
);
for (const [kind, reference, referenceValues, goal] of [
  ['create', 'the same effects as set-based SQL', rates.psql, 1.3],
  ['create', 'set-based SQL that writes what we write', rates['psql, own tables'], 0.9],
  ['unchanged', 'create', rates.create, 2],
  ['update', 'create', rates.create, undefined],
] as const) {
  measure({
    ...{ name: `processing, ${records.toLocaleString('en')} records, ${kind}`, unit: 'records/s' },
    ...{ values: rates[kind] ?? [], reference, referenceValues, goal },
  });
}
for (const file of [path, changed]) rmSync(file, { force: true });
process.exit(0);

function note(name: string, count: number, seconds: number): void {
  rates[name]?.push(Math.round(count / seconds));
}

async function processOurs(): Promise<void> {
  await freshDatabase(OURS);
  const app = await createApp(
    loadConfig({
      DATABASE_URL: databaseUrl(OURS),
      REDIS_URL: REDIS,
      QUEUE_PREFIX: `bench-${Date.now()}`,
      PORT: '0',
      BOOTSTRAP_API_KEY: BENCH_KEY,
      LOG_LEVEL: 'warn',
    }),
  );
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const service = { url: `http://127.0.0.1:${port}` } as Service;
  const importProcessId = await setUpProcess(service, setsAttribute);
  for (const [name, file] of [
    ['create', path],
    ['unchanged', path],
    ['update', changed],
  ] as const) {
    psql(OURS, 'CHECKPOINT');
    const { batchId } = await post(service, importProcessId, file);
    const started = performance.now();
    await completed(app.get(DatabaseService), batchId);
    note(name, records, (performance.now() - started) / 1000);
  }
  await app.close();
}

async function completed(database: DatabaseService, batchId: number): Promise<void> {
  for (;;) {
    const { rows } = await database.query<{ status: string }>(
      'SELECT status FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    const status = rows[0]?.status;
    if (status === 'completed') return;
    if (status !== 'queued' && status !== 'in_progress') throw new Error(`the batch is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The same records, on the same tables. */
async function processTheirs(): Promise<void> {
  await freshDatabase(THEIRS);
  const copied = `${path}.copy`;
  psql(
    OURS,
    `\\copy (SELECT 1, line_number, payload FROM import_queue_line WHERE workflow_import_queue_batch_id = 1) TO '${copied}'`,
  );
  await migrate({ databaseUrl: databaseUrl(THEIRS), databasePoolSize: 2 });
  const loadInto = (table: string) =>
    `\\copy ${table} (workflow_import_queue_batch_id, line_number, payload) FROM '${copied}'`;
  psql(THEIRS, loadInto('import_queue_line'), 'CHECKPOINT');
  note('psql, own tables', records, psql(THEIRS, ...ownTablesSql(setsAttribute)));
  const load = loadInto('import_queue_record');
  psql(
    THEIRS,
    'TRUNCATE workflow_instance, workflow_identifier, workflow_log, import_queue_line, import_queue_outcome',
    ...RECORD_TABLE_OF_REFERENCE,
    load,
    'CHECKPOINT',
  );
  note('psql', records, psql(THEIRS, ...setBasedSql(setsAttribute)));
  if (recordsOneByOne > 0) await processOneByOne(load);
  rmSync(copied, { force: true });
}

async function processOneByOne(load: string): Promise<void> {
  psql(
    THEIRS,
    'TRUNCATE workflow_instance, workflow_identifier, workflow_log, import_queue_record',
    load,
    'CHECKPOINT',
  );
  note('job per record', recordsOneByOne, await processJobPerRecord(THEIRS, recordsOneByOne));
}
