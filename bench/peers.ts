import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { Client, Pool } from 'pg';
import { measure } from './results.js';
import {
  api,
  benchRecord,
  databaseUrl,
  freshDatabase,
  median,
  post,
  REDIS,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * End to end: a file of records, from the first byte of the POST to `completed`, compared with queues that upsert the
 * same rows into one table: one job per record with BullMQ, Bull and graphile-worker, one statement per fetched batch with
 * pg-boss. The peers do less: no HTTP, no check of a row, no log, no outcome that can be read. Each is used as its
 * documentation advises for bulk work, on the same servers, and installed into `.cache/bench-peers`. By hand, after
 * `npm run build`:
 *   node --import @swc-node/register/esm-register bench/peers.ts [records] [rounds]
 */

const records = Number(process.argv[2] ?? 100_000);
const rounds = Number(process.argv[3] ?? 1);
const OURS = 'wiq_bench_peers';
const THEIRS = 'wiq_bench_peers_reference';
const FOLDER = join(process.cwd(), '.cache', 'bench-peers');
/** Versions are fixed, so that two runs compare with the same programs. */
const PACKAGES = ['bullmq@6.7.0', 'bull@4.16.5', 'graphile-worker@0.18.0', 'pg-boss@12.38.0'];
const FIELDS = Object.keys(JSON.parse(benchRecord(1)) as object);
const COLUMNS = FIELDS.map((_, index) => `c${index}`);
const UPDATES = COLUMNS.slice(1).map((name) => `${name} = excluded.${name}`);
const UPSERT = `ON CONFLICT (c0) DO UPDATE SET ${UPDATES.join(', ')}`;
const ONE = `INSERT INTO person VALUES (${COLUMNS.map((_, index) => `$${index + 1}`).join(', ')}) ${UPSERT}`;
/** Jobs that one call queues. */
const BULK = 1000;
/** Jobs that a worker has under way, each with a connection of its own. */
const CONCURRENCY = 32;

type Row = Record<string, unknown>;

install();
const require = createRequire(join(FOLDER, 'package.json'));
const path = await writeRecords(records);
const rows = readFileSync(path, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);

const rates: Record<string, number[]> = {};
const CONTENDERS: Record<string, () => Promise<number>> = {
  'workflow import queue': processOurs,
  BullMQ: bullMq,
  Bull: bull,
  'graphile-worker': graphileWorker,
  'pg-boss, one statement per batch': pgBoss,
};
for (let round = 1; round <= rounds; round += 1) {
  for (const [name, run] of Object.entries(CONTENDERS)) {
    await freshDatabase(THEIRS);
    const seconds = await run();
    (rates[name] ??= []).push(records / seconds);
    console.log(`round ${round}: ${name} ${Math.round(records / seconds)} records/s`);
  }
}
const ours = rates['workflow import queue'] ?? [];
for (const [name, theirs] of Object.entries(rates)) {
  if (theirs === ours) continue;
  measure({
    name: `end to end, ${records.toLocaleString('en')} records`,
    unit: 'records/s',
    values: ours,
    reference: name,
    referenceValues: theirs,
    goal: name.startsWith('pg-boss') ? 4 : 10,
  });
  console.log(`${(median(ours) / median(theirs)).toFixed(1)} times ${name}`);
}
rmSync(path, { force: true });
process.exit(0);

function install(): void {
  const installed = join(FOLDER, 'installed.json');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === JSON.stringify(PACKAGES)) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'package.json'), '{"private":true}');
  const npm = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', ...PACKAGES];
  const { status } = spawnSync('npm', npm, { cwd: FOLDER, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error('The peers could not be installed.');
  writeFileSync(installed, JSON.stringify(PACKAGES));
}

async function processOurs(): Promise<number> {
  await freshDatabase(OURS);
  const service = await startProcess(OURS, 3994);
  const importProcessId = await setUpProcess(service);
  const started = performance.now();
  const { batchId } = await post(service, importProcessId, path);
  for (;;) {
    const { status } = await api(service, 'GET', `/API/WorkflowImportQueue/Batches/${batchId}`);
    if (status === 'completed') break;
    if (status !== 'queued' && status !== 'in_progress') throw new Error(`the batch is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const seconds = (performance.now() - started) / 1000;
  await service.stop();
  return seconds;
}

/** Runs a peer's part against an empty table, and checks that every row is there. */
async function intoTable(run: (pool: Pool) => Promise<number>): Promise<number> {
  const pool = new Pool({ connectionString: databaseUrl(THEIRS), max: CONCURRENCY });
  // The next contender drops the database, possibly before the last of these connections has closed.
  pool.on('error', () => undefined);
  const columns = COLUMNS.map((name, index) => `${name} text${index === 0 ? ' PRIMARY KEY' : ''}`);
  await pool.query(`CREATE TABLE person (${columns.join(', ')})`);
  await pool.query('CREATE UNIQUE INDEX ON person (lower(c1))');
  await pool.query('CHECKPOINT');
  const seconds = await run(pool);
  const { rows: counted } = await pool.query<{ count: string }>('SELECT count(*) FROM person');
  await pool.end();
  if (Number(counted[0]?.count) !== records) throw new Error(`only ${counted[0]?.count} rows arrived`);
  return seconds;
}

async function upsertOne(client: Pool | Client, row: Row): Promise<void> {
  await client.query({ name: 'upsert', text: ONE, values: FIELDS.map((field) => row[field]) });
}

/** Calls back with at most `BULK` rows at a time. */
async function inBulk(queue: (rows: Row[]) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < rows.length; first += BULK) await queue(rows.slice(first, first + BULK));
}

/** Counts jobs; `all` resolves with the last one and rejects with the first failure. */
function countdown() {
  let left = records;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = () => {
    left -= 1;
    if (left === 0) resolve();
  };
  return { all: promise, done, failed: reject };
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}

async function bullMq(): Promise<number> {
  const { Queue, Worker } = require('bullmq');
  const connection = () => new Redis(REDIS, { maxRetriesPerRequest: null });
  const name = `bench-${Date.now()}`;
  return intoTable(async (pool) => {
    const queue = new Queue(name, { connection: connection() });
    const { all, done, failed } = countdown();
    const started = performance.now();
    const handle = async ({ data }: { data: Row }) => upsertOne(pool, data);
    const worker = new Worker(name, handle, { connection: connection(), concurrency: CONCURRENCY });
    worker.on('completed', () => done());
    worker.on('failed', (_: unknown, error: Error) => failed(error));
    await inBulk((some) =>
      queue.addBulk(some.map((data) => ({ name: 'row', data, opts: { removeOnComplete: true } }))),
    );
    await all;
    const seconds = secondsSince(started);
    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
    return seconds;
  });
}

async function bull(): Promise<number> {
  const Bull = require('bull');
  return intoTable(async (pool) => {
    const queue = new Bull(`bench-${Date.now()}`, REDIS);
    const { all, done, failed } = countdown();
    queue.on('failed', (_: unknown, error: Error) => failed(error));
    const started = performance.now();
    queue.process(CONCURRENCY, async ({ data }: { data: Row }) => {
      await upsertOne(pool, data);
      done();
    });
    await inBulk((some) => queue.addBulk(some.map((data) => ({ data, opts: { removeOnComplete: true } }))));
    await all;
    const seconds = secondsSince(started);
    await queue.obliterate({ force: true });
    await queue.close();
    return seconds;
  });
}

async function graphileWorker(): Promise<number> {
  const { makeWorkerUtils, run, Logger } = require('graphile-worker');
  const quiet = new Logger(() => () => undefined);
  const connectionString = databaseUrl(THEIRS);
  return intoTable(async (pool) => {
    const utils = await makeWorkerUtils({ connectionString, logger: quiet });
    await utils.migrate();
    const { all, done, failed } = countdown();
    const started = performance.now();
    const runner = await run({
      ...{ connectionString, logger: quiet, concurrency: CONCURRENCY, maxPoolSize: CONCURRENCY },
      noHandleSignals: true,
      // A local queue and completions in batches are what its documentation advises for many small jobs.
      preset: {
        worker: {
          ...{ localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
        },
      },
      taskList: {
        row: async (row: Row) => {
          await upsertOne(pool, row).then(done, failed);
        },
      },
    });
    await inBulk((some) => utils.addJobs(some.map((payload) => ({ identifier: 'row', payload }))));
    await all;
    const seconds = secondsSince(started);
    await runner.stop();
    await utils.release();
    return seconds;
  });
}

/** The usual way with pg-boss is already one job per fetched batch: the rows of a fetch go into one statement. */
async function pgBoss(): Promise<number> {
  const { PgBoss } = await import(pathToFileURL(require.resolve('pg-boss')).href);
  const columns = FIELDS.map((field) => `"${field}" text`).join(', ');
  const text = `INSERT INTO person SELECT * FROM json_to_recordset($1) AS row (${columns}) ${UPSERT}`;
  return intoTable(async (pool) => {
    const boss = new PgBoss({ connectionString: databaseUrl(THEIRS), supervise: false, schedule: false });
    boss.on('error', (error: unknown) => console.error(error));
    await boss.start();
    await boss.createQueue('rows');
    const started = performance.now();
    let left = records;
    const queueing = inBulk((some) =>
      boss.insert(
        'rows',
        some.map((data) => ({ data })),
      ),
    );
    const work = async (): Promise<void> => {
      while (left > 0) {
        const jobs = await boss.fetch('rows', { batchSize: BULK });
        if (jobs.length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          continue;
        }
        await pool.query({
          name: 'upsert',
          text,
          values: [JSON.stringify(jobs.map(({ data }: { data: Row }) => data))],
        });
        await boss.complete(
          'rows',
          jobs.map(({ id }: { id: string }) => id),
        );
        left -= jobs.length;
      }
    };
    await Promise.all([queueing, work(), work(), work(), work()]);
    const seconds = secondsSince(started);
    await boss.stop({ graceful: false });
    return seconds;
  });
}
