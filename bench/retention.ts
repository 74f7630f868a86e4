import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { storeCopies } from './copied-batch.js';
import { measure } from './results.js';
import {
  databaseUrl,
  freshDatabase,
  median,
  post,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * How long retention takes to drop the records of a range whose batches have expired, and how fast another batch is
 * processed meanwhile. Rounds with the drop alternate with others whose drop comes after the other batch; both have the
 * same tables and ask the same questions. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/retention.ts [records] [rounds] [records of the other batch]
 */

const records = Number(process.argv[2] ?? 5_000_000);
const rounds = Number(process.argv[3] ?? 3);
const running = Number(process.argv[4] ?? 1_000_000);
const DATABASE = 'wiq_bench_retention';
const TEMPLATE_RECORDS = Math.min(1_000, records);
/** The share of the other batch that is done when the records expire. */
const EXPIRE_AT = 0.1;

interface Run {
  rate: number;
  dropMs: number;
}

await freshDatabase(DATABASE);
const template = await writeRecords(TEMPLATE_RECORDS);
const file = await writeRecords(running);
const service = await startProcess(DATABASE, 3996, {
  PARTITION_BATCHES: '1',
  RETENTION_INTERVAL_MS: '100',
  // Only what this bench lets expire.
  RETENTION_DAYS: '0',
});
const importProcessId = await setUpProcess(service);
const sql = new Client({ connectionString: databaseUrl(DATABASE) });
await sql.connect();
const source = (await post(service, importProcessId, template)).batchId;
await ended(source);
// Past the ranges that a new database has, so that each batch from here on has a range of its own.
await sql.query(
  `SELECT setval(pg_get_serial_sequence('import_queue_batch', 'workflow_import_queue_batch_id'),
                 (SELECT max(end_batch_id) FROM import_queue_partition))`,
);
await sql.query('SELECT import_queue_create_partitions(1)');

const runs = { during: [] as Run[], after: [] as Run[] };
for (let round = 0; round < rounds; round += 1) {
  const order = round % 2 === 0 ? (['after', 'during'] as const) : (['during', 'after'] as const);
  for (const kind of order) runs[kind].push(await run(kind));
}
const rates = (kind: keyof typeof runs) => runs[kind].map(({ rate }) => rate);
const drops = runs.during.map(({ dropMs }) => dropMs);
const ratio = median(rates('during')) / median(rates('after'));
console.log(`drop of ${records} records: ${drops.map((ms) => Math.round(ms)).join(', ')} ms`);
console.log(
  `a batch of ${running} meanwhile: ${rates('during').map(Math.round).join(', ')} records/s; ` +
    `with the drop after it: ${rates('after').map(Math.round).join(', ')}; ${ratio.toFixed(2)}`,
);
measure({ name: `drop of ${records} expired records`, unit: 'ms', values: drops, goal: 1_000 });
measure({
  ...{ name: 'processing during the drop', unit: 'records/s', values: rates('during'), goal: 0.95 },
  ...{ reference: 'with the drop after it', referenceValues: rates('after') },
});
await sql.end();
await service.stop();
for (const path of [template, file]) rmSync(path, { force: true });

async function run(when: keyof typeof runs): Promise<Run> {
  const old = await storeOldBatch();
  await sql.query('CHECKPOINT');
  const { batchId } = await post(service, importProcessId, file);
  await begun(batchId);
  const dropped = when === 'during' ? drop(old) : null;
  const { seconds, finishedAt } = await ended(batchId);
  const { ms, goneAt } = await (dropped ?? drop(old));
  if (when === 'during' && goneAt > finishedAt)
    console.log('  the other batch ended before the drop did: take more of its records');
  return { rate: running / seconds, dropMs: ms };
}

/** A batch that ended long ago, made of copies of the template. Autovacuum has long been there, too. */
async function storeOldBatch(): Promise<number> {
  const id = await storeCopies(sql, source, Math.ceil(records / TEMPLATE_RECORDS));
  await sql.query('VACUUM (FREEZE, ANALYZE) import_queue_chunk, import_queue_line, import_queue_outcome');
  return id;
}

/** Waits until the share of the other batch is done. */
async function begun(batchId: number): Promise<void> {
  await until(async () => {
    const { rows } = await sql.query<{ done: number }>(
      `SELECT coalesce(sum(succeeded_count), 0)::integer AS done FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    return (rows[0]?.done ?? 0) >= running * EXPIRE_AT;
  });
}

/** Lets the old batch expire, and waits until its partition is gone. */
async function drop(old: number): Promise<{ ms: number; goneAt: Date }> {
  const client = new Client({ connectionString: databaseUrl(DATABASE) });
  await client.connect();
  try {
    await client.query(
      `UPDATE import_queue_batch SET expired_at = now() - interval '1 day' WHERE workflow_import_queue_batch_id = $1`,
      [old],
    );
    const stored = await client.query('SELECT FROM import_queue_partition WHERE first_batch_id = $1', [old]);
    if (stored.rowCount !== 1) throw new Error('the expired batch has no range of its own');
    let droppingAt: Date | undefined;
    let stillThere = new Date();
    return await until(async () => {
      const { rows } = await client.query<{ now: Date; droppingAt: Date | null; isThere: boolean }>(
        `SELECT clock_timestamp() AS now, max(dropping_at) AS "droppingAt", count(*) > 0 AS "isThere"
           FROM import_queue_partition WHERE first_batch_id = $1`,
        [old],
      );
      const [seen] = rows;
      droppingAt ??= seen?.droppingAt ?? undefined;
      if (seen === undefined || seen.isThere) {
        stillThere = seen?.now ?? stillThere;
        return null;
      }
      // A drop that no look saw took less than the time between two of them.
      return { ms: seen.now.getTime() - (droppingAt ?? stillThere).getTime(), goneAt: seen.now };
    });
  } finally {
    await client.end();
  }
}

async function ended(batchId: number): Promise<{ seconds: number; finishedAt: Date }> {
  return until(async () => {
    const { rows } = await sql.query<{ status: string; seconds: number; finishedAt: Date }>(
      `SELECT status, extract(epoch FROM finished_at - started_at)::float8 AS seconds, finished_at AS "finishedAt"
         FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    const [batch] = rows;
    if (batch?.status === 'completed') return batch;
    if (batch?.status !== 'queued' && batch?.status !== 'in_progress')
      throw new Error(`the batch is ${batch?.status}`);
    return null;
  });
}

async function until<Found>(look: () => Promise<Found>): Promise<NonNullable<Found>> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await delay(5);
  }
}
