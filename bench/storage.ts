import { Client } from 'pg';
import { rmSync } from 'node:fs';
import { measure } from './results.js';
import {
  freshDatabase,
  benchRecord,
  databaseUrl,
  post,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * What a record costs PostgreSQL: bytes of all tables with their indexes, and bytes of the write-ahead log for intake and
 * for processing. Neither depends on the speed of the machine. The log is that of the whole server, so nothing else
 * may write to it meanwhile. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/storage.ts [records] [storage|wal]
 */

const records = Number(process.argv[2] ?? 200_000);
const shown = process.argv[3];
const DATABASE = 'wiq_bench_storage';

await freshDatabase(DATABASE);
const path = await writeRecords(records);
const service = await startProcess(DATABASE, 3998);
const importProcessId = await setUpProcess(service);
const client = new Client({ connectionString: databaseUrl(DATABASE) });
await client.connect();

/** The position in the write-ahead log, in bytes. After a checkpoint, the first change of each page logs the whole page. */
async function position(): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes`,
  );
  return Number(rows[0]?.bytes);
}

await client.query('CHECKPOINT');
const before = await position();
const { batchId } = await post(service, importProcessId, path);
await completed();
const perRecord = (bytes: number): number => Math.round(bytes / records);
const payload = Buffer.byteLength(benchRecord(records - 1));
const wal = perRecord((await position()) - before);
const { rows: tables } = await client.query<{ table: string; rows: string; indexes: string }>(
  `SELECT relname AS table, pg_table_size(oid) AS rows, pg_indexes_size(oid) AS indexes
     FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    ORDER BY pg_total_relation_size(oid) DESC`,
);
if (shown !== 'wal') {
  const total = tables.reduce((sum, { rows, indexes }) => sum + Number(rows) + Number(indexes), 0);
  console.log(`storage per record of ${payload} bytes: ${perRecord(total)} bytes`);
  measure({
    ...{ name: `storage per record of ${payload} bytes`, unit: 'bytes', goal: 1200 },
    values: [perRecord(total)],
  });
  for (const { table, rows, indexes } of tables) {
    if (perRecord(Number(rows) + Number(indexes)) === 0) break;
    console.log(`  ${table}: ${perRecord(Number(rows))} and ${perRecord(Number(indexes))} in indexes`);
  }
}
if (shown !== 'storage') {
  console.log(`write-ahead log per record, from the POST to completed: ${wal} bytes`);
  measure({ name: 'write-ahead log per record', unit: 'bytes', values: [wal] });
}
await client.end();
await service.stop();
rmSync(path, { force: true });

async function completed(): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ status: string }>(
      'SELECT status FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    const status = rows[0]?.status;
    if (status === 'completed') return;
    if (status !== 'queued' && status !== 'in_progress') throw new Error(`the batch is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
