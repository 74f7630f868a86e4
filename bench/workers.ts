import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { Client } from 'pg';
import { DEFAULTS, simulate } from '../scripts/simulate-scaling.mjs';
import {
  databaseUrl,
  freshDatabase,
  median,
  post,
  type Service,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * Processing with 1, 2 and 4 worker processes beside one API process, on one machine: records per second, processor time
 * of workers and of PostgreSQL per record, and WAL per record; then what the simulation says with these costs.
 * PostgreSQL must run on this machine. Linux only (`/proc`). By hand, after npm run build:
 *   node --import @swc-node/register/esm-register bench/workers.ts [records] [rounds]
 */

const records = Number(process.argv[2] ?? 200_000);
const rounds = Number(process.argv[3] ?? 3);
const DATABASE = 'wiq_bench_workers';
const PORT = 4310;
/** Of /proc: ticks of 10 ms. */
const MICROS_PER_TICK = 10_000;

interface Run {
  rate: number;
  /** µs per record. */
  workerCpu: number;
  postgresCpu: number;
  walBytes: number;
}

const path = await writeRecords(records);
const measured = new Map<number, Run>();
for (const workers of [1, 2, 4]) {
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round += 1) runs.push(await measure(workers));
  const of = (name: keyof Run) => median(runs.map((run) => run[name]));
  const run = {
    rate: of('rate'),
    workerCpu: of('workerCpu'),
    postgresCpu: of('postgresCpu'),
    walBytes: of('walBytes'),
  };
  measured.set(workers, run);
  console.log(
    `${workers} workers: ${Math.round(run.rate)} records/s; per record: worker ${run.workerCpu.toFixed(1)} µs, ` +
      `PostgreSQL ${run.postgresCpu.toFixed(1)} µs, WAL ${Math.round(run.walBytes)} bytes`,
  );
}
const one = measured.get(1);
if (one !== undefined) {
  const { workerCpu, postgresCpu, walBytes } = one;
  for (const [workers, { rate }] of measured) {
    const simulated = simulate({
      ...DEFAULTS,
      workers,
      workerCpu,
      postgresCpu,
      walBytes,
      cores: cpus().length,
    });
    console.log(
      `${workers} workers, simulated with the costs of one: ${simulated} records/s, ${(simulated / rate).toFixed(2)} of what was measured`,
    );
  }
}
rmSync(path, { force: true });
process.exit(0);

async function measure(workers: number): Promise<Run> {
  await freshDatabase(DATABASE);
  const environment = { CHUNK_WINDOW: '64', RECONCILE_INTERVAL_MS: '600000' };
  const services: Service[] = [await startProcess(DATABASE, PORT, { ...environment, ROLE: 'api' })];
  const [api] = services;
  const sql = new Client({ connectionString: databaseUrl(DATABASE) });
  await sql.connect();
  try {
    if (api === undefined) throw new Error('the API did not start');
    for (let worker = 1; worker <= workers; worker += 1)
      services.push(await startProcess(DATABASE, PORT + worker, { ...environment, ROLE: 'worker' }));
    const importProcessId = await setUpProcess(api);
    await sql.query('CHECKPOINT');
    const { batchId } = await post(api, importProcessId, path);
    const pids = services.slice(1).map(({ process: { pid } }) => pid ?? 0);
    const before = { worker: ticksOf(pids), postgres: ticksOf(postgresPids()), wal: await walOf(sql) };
    const seconds = await ended(sql, batchId);
    return {
      rate: records / seconds,
      workerCpu: ((ticksOf(pids) - before.worker) * MICROS_PER_TICK) / records,
      postgresCpu: ((ticksOf(postgresPids()) - before.postgres) * MICROS_PER_TICK) / records,
      walBytes: ((await walOf(sql)) - before.wal) / records,
    };
  } finally {
    await sql.end();
    for (const service of services) await service.stop();
  }
}

/** Seconds from the first chunk to the end, by the clock of the database. */
async function ended(sql: Client, batchId: number): Promise<number> {
  for (;;) {
    const { rows } = await sql.query<{ status: string; seconds: number }>(
      `SELECT status, extract(epoch FROM finished_at - started_at)::float8 AS seconds
         FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    const [batch] = rows;
    if (batch?.status === 'completed') return batch.seconds;
    if (batch?.status !== 'queued' && batch?.status !== 'in_progress')
      throw new Error(`the batch is ${batch?.status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function walOf(sql: Client): Promise<number> {
  const { rows } = await sql.query<{ bytes: number }>(
    `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS bytes`,
  );
  return rows[0]?.bytes ?? 0;
}

/** Processor time of the processes in ticks, with that of children that have ended. */
function ticksOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const [, fields = ''] = /^\d+ \(.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      // utime and stime are the fields 14 and 15; the first two are cut off.
      const [user, system] = fields.split(' ').slice(11, 13).map(Number);
      ticks += (user ?? 0) + (system ?? 0);
    } catch {
      // the process has ended
    }
  }
  return ticks;
}

function postgresPids(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/comm`, 'utf8').startsWith('postgres')
        ? [Number(name)]
        : [];
    } catch {
      return [];
    }
  });
}
