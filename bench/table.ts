import '../src/app/heap.js';
import 'reflect-metadata';
import { rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Client } from 'pg';
import { createApp } from '../src/app/start.js';
import { loadConfig } from '../src/platform/config/config-loader.js';
import { measure } from './results.js';
import {
  api,
  BENCH_KEY,
  benchRecord,
  databaseUrl,
  freshDatabase,
  median,
  post,
  psql,
  REDIS,
  type Service,
  writeRecords,
} from './support.js';

/**
 * The table target: stored records into a table of another database, compared with `\copy` of the same values into a
 * temporary table plus one INSERT … ON CONFLICT, in the same run. The statement also tells for each row whether it was
 * created, updated or unchanged, and its id, as the target does. By hand:
 *   node --import @swc-node/register/esm-register bench/table.ts [records] [rounds]
 */

const records = Number(process.argv[2] ?? 200_000);
const rounds = Number(process.argv[3] ?? 3);
const OURS = 'wiq_bench_table';
const THERE = 'wiq_bench_table_target';
const FIELDS = Object.keys(JSON.parse(benchRecord(1)) as object);
const columns = FIELDS.map((_, index) => `c${index}`);
const KEY = columns[FIELDS.indexOf(':UniqueId')] ?? 'c0';
const TABLE = `CREATE TABLE person (id bigserial PRIMARY KEY, ${columns.map((name) => `${name} text`).join(', ')}, UNIQUE (${KEY}))`;

const path = await writeRecords(records);
const changed = await writeRecords(records, (n) => benchRecord(n).replace('some words', 'other words'));
const rates: Record<string, number[]> = {};
for (let round = 1; round <= rounds; round += 1) {
  await processOurs();
  processTheirs();
  console.log(
    `round ${round}, records/s: ${Object.entries(rates)
      .map(([name, all]) => `${name} ${all.at(-1)}`)
      .join(', ')}`,
  );
}
for (const kind of ['create', 'unchanged', 'update']) {
  const [ours, theirs] = [median(rates[kind] ?? []), median(rates[`psql ${kind}`] ?? [])];
  console.log(
    `median of ${rounds}: ${kind} ${ours}/s; psql ${theirs}/s, ratio ${(ours / theirs).toFixed(2)}`,
  );
  measure({
    ...{ name: `table target, ${records.toLocaleString('en')} rows, ${kind}`, unit: 'records/s', goal: 0.8 },
    ...{ values: rates[kind] ?? [], referenceValues: rates[`psql ${kind}`] },
    reference: '`\\copy` and one ON CONFLICT statement',
  });
}
for (const file of [path, changed]) rmSync(file, { force: true });
process.exit(0);

function note(name: string, seconds: number): void {
  (rates[name] ??= []).push(Math.round(records / seconds));
}

async function processOurs(): Promise<void> {
  await freshDatabase(OURS);
  await freshDatabase(THERE);
  psql(THERE, TABLE);
  const app = await createApp(
    loadConfig({
      DATABASE_URL: databaseUrl(OURS),
      TARGET_BENCH_URL: databaseUrl(THERE),
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
  const made = await api(service, 'POST', '/API/WorkflowImportQueue/ImportProcesses', {
    name: 'People',
    target: {
      ...{ kind: 'table', connection: 'bench', schema: 'public', table: 'person', key: [KEY] },
      columns: Object.fromEntries(FIELDS.map((field, index) => [field, columns[index]])),
    },
  });
  const watcher = new Client({ connectionString: databaseUrl(OURS) });
  await watcher.connect();
  for (const [name, file] of [
    ['create', path],
    ['unchanged', path],
    ['update', changed],
  ] as const) {
    psql(OURS, 'CHECKPOINT');
    const { batchId } = await post(service, Number(made.id), file);
    const started = performance.now();
    await completed(watcher, batchId);
    note(name, (performance.now() - started) / 1000);
  }
  await watcher.end();
  await app.close();
}

/** Asks the database: twenty calls of the API per second would be measured, too. */
async function completed(watcher: Client, batchId: number): Promise<void> {
  for (;;) {
    const { rows } = await watcher.query<{ status: string }>(
      'SELECT status FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    const status = rows[0]?.status;
    if (status === 'completed') return;
    if (status !== 'queued' && status !== 'in_progress') throw new Error(`the batch is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function processTheirs(): void {
  const list = columns.join(', ');
  const others = columns.filter((name) => name !== KEY);
  // The table now has the values of `changed`.
  const restored = columns.map((name) => `replace(${name}, 'other words', 'some words')`).join(', ');
  const [first, second] = [`${path}.first`, `${path}.second`];
  psql(
    THERE,
    `\\copy (SELECT ${restored} FROM person) TO '${first}'`,
    `\\copy (SELECT ${list} FROM person) TO '${second}'`,
    'DROP TABLE person',
    TABLE,
  );
  for (const [name, file] of [
    ['create', first],
    ['unchanged', first],
    ['update', second],
  ] as const) {
    psql(THERE, 'CHECKPOINT');
    const seconds = psql(
      THERE,
      `CREATE TEMP TABLE work (${columns.map((each) => `${each} text`).join(', ')})`,
      `\\copy work FROM '${file}'`,
      `WITH written AS (
         INSERT INTO person (${list}) SELECT ${list} FROM work
         ON CONFLICT (${KEY}) DO UPDATE SET ${others.map((each) => `${each} = excluded.${each}`).join(', ')}
          WHERE (${others.map((each) => `person.${each}`).join(', ')})
             IS DISTINCT FROM (${others.map((each) => `excluded.${each}`).join(', ')})
         RETURNING id, ${KEY}, xmax = 0 AS is_new)
       SELECT work.${KEY}, coalesce(written.id, person.id) AS id,
              CASE WHEN is_new THEN 'created' WHEN is_new IS NULL THEN 'unchanged' ELSE 'updated' END AS operation
         INTO TEMPORARY outcome
         FROM work LEFT JOIN written USING (${KEY})
         LEFT JOIN person ON is_new IS NULL AND person.${KEY} = work.${KEY}`,
    );
    note(`psql ${name}`, seconds);
  }
  for (const file of [first, second]) rmSync(file, { force: true });
}
