import { Redis } from 'ioredis';
import { rmSync } from 'node:fs';
import { Client } from 'pg';
import { measure } from './results.js';
import {
  databaseUrl,
  freshDatabase,
  post,
  REDIS,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * The highest memory of the process and of Redis while a batch is received and processed: a large batch must not take
 * more than a small one. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/memory.ts [records] [records of the small batch]
 */

const large = Number(process.argv[2] ?? 10_000_000);
const small = Number(process.argv[3] ?? 100_000);
const DATABASE = 'wiq_bench_memory';
const GOAL = 1.2;

interface Peak {
  process: number;
  redis: number;
}

const peaks = { small: await peakOf(small), large: await peakOf(large) };
for (const part of ['process', 'redis'] as const) {
  const [of, than] = [peaks.large[part], peaks.small[part]];
  console.log(
    `peak of ${part}: ${of.toFixed(1)} MB for ${large} records, ${than.toFixed(1)} MB for ${small}; ` +
      `${(of / than).toFixed(2)}, goal at most ${GOAL}`,
  );
  measure({
    ...{ name: `peak memory of ${part}, ${large.toLocaleString('en')} records`, unit: 'MB' },
    ...{ values: [of], goal: than * GOAL },
  });
}

/** In MB. */
async function peakOf(records: number): Promise<Peak> {
  await freshDatabase(DATABASE);
  const path = await writeRecords(records);
  // Ten million records are more than the 2 GiB that a body may have by default.
  const service = await startProcess(DATABASE, 3993, { MAX_BODY_BYTES: String(8 * 1024 ** 3) });
  const importProcessId = await setUpProcess(service);
  const redis = new Redis(REDIS);
  let used = 0;
  const sampling = setInterval(() => {
    void redis.info('memory').then((info) => {
      used = Math.max(used, Number(/used_memory:(\d+)/.exec(info)?.[1]) / 1e6);
    });
  }, 250);
  service.peakRss();
  const { batchId } = await post(service, importProcessId, path);
  await ended(batchId);
  clearInterval(sampling);
  await redis.quit();
  const peak = { process: service.peakRss(), redis: used };
  await service.stop();
  rmSync(path, { force: true });
  return peak;
}

async function ended(batchId: number): Promise<void> {
  const sql = new Client({ connectionString: databaseUrl(DATABASE) });
  await sql.connect();
  for (;;) {
    const { rows } = await sql.query<{ status: string }>(
      'SELECT status FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    if (rows[0]?.status === 'completed') break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await sql.end();
}
