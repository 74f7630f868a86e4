import { rmSync } from 'node:fs';
import { measure } from './results.js';
import {
  api,
  BENCH_KEY,
  benchRecord,
  freshDatabase,
  post,
  type Service,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * Latency of batches of 10 records: on an idle machine, beside one large batch, and 1,000 of them on 50 connections. By
 * hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/latency.ts [records of the large batch] [small batches]
 */

const large = Number(process.argv[2] ?? 1_000_000);
const small = Number(process.argv[3] ?? 1_000);
const DATABASE = 'wiq_bench_latency';
const QUEUE = '/API/WorkflowImportQueue';
const RECORDS = 10;
/** Batches whose latency is measured one after the other. */
const SAMPLES = Math.min(100, small);
const CONNECTIONS = 50;

await freshDatabase(DATABASE);
const path = await writeRecords(large);
const service = await startProcess(DATABASE, 3993);
const importProcessId = await setUpProcess(service);
/** The records of small batches follow those of the large one, so that no two batches are about the same people. */
let next = large;

// V8 compiles what a batch runs through only after some of them.
await sample(100);
const idle = await sample(SAMPLES);
report('idle', idle, { post: 10, completed: 30 });

const loaded = await post(service, importProcessId, path);
const beside = await sample(SAMPLES);
const { status } = await api(service, 'GET', `${QUEUE}/Batches/${loaded.batchId}`);
report(
  `beside ${large.toLocaleString('en')} records${status === 'completed' ? ', which ended earlier' : ''}`,
  beside,
  { post: 50, completed: 250 },
);
await ended(service, loaded.batchId);

const posts: number[] = [];
let left = small;
const started = performance.now();
await Promise.all(
  Array.from({ length: CONNECTIONS }, async () => {
    while (left > 0) {
      left -= 1;
      posts.push((await createBatch()).ms);
    }
  }),
);
const seconds = (performance.now() - started) / 1000;
console.log(
  `${small} batches on ${CONNECTIONS} connections: ${seconds.toFixed(1)} s, p99 of the 202 ${percentile(posts, 99)} ms`,
);
measure({
  ...{ name: `p99 of the 202, ${small} batches, ${CONNECTIONS} connections`, unit: 'ms', goal: 200 },
  values: [percentile(posts, 99)],
});
await service.stop();
rmSync(path, { force: true });

async function createBatch(): Promise<{ ms: number; batchId: number }> {
  const lines = Array.from({ length: RECORDS }, () => benchRecord((next += 1))).join('\n');
  const from = performance.now();
  const answer = await fetch(
    `${service.url}${QUEUE}/CreateBatch?fileName=small.jsonl&importProcessId=${importProcessId}`,
    {
      method: 'POST',
      headers: { authorization: `apikey ${BENCH_KEY}`, 'content-type': 'application/jsonl' },
      body: lines,
    },
  );
  const text = await answer.text();
  const ms = performance.now() - from;
  if (answer.status !== 202) throw new Error(`${answer.status}: ${text}`);
  return { ms, batchId: JSON.parse(text).WORKFLOW_IMPORT_QUEUE_BATCH_ID };
}

async function ended({ url }: Pick<Service, 'url'>, batchId: number): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}${QUEUE}/Batches/${batchId}`, {
      headers: { authorization: `apikey ${BENCH_KEY}` },
    });
    const { status } = (await answer.json()) as { status: string };
    if (status === 'completed') return;
    if (status !== 'queued' && status !== 'in_progress') throw new Error(`the batch is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function sample(count: number): Promise<{ post: number[]; completed: number[] }> {
  const times = { post: [] as number[], completed: [] as number[] };
  for (let n = 0; n < count; n += 1) {
    const from = performance.now();
    const { ms, batchId } = await createBatch();
    times.post.push(ms);
    await ended(service, batchId);
    times.completed.push(performance.now() - from);
  }
  return times;
}

function report(
  when: string,
  times: { post: number[]; completed: number[] },
  goals: { post: number; completed: number },
): void {
  for (const kind of ['post', 'completed'] as const) {
    const p95 = percentile(times[kind], 95);
    const what = kind === 'post' ? 'POST to 202' : 'POST to completed';
    console.log(`${RECORDS} records, ${when}: ${what} p95 ${p95} ms`);
    measure({
      ...{ name: `p95, ${what}, ${RECORDS} records, ${when}`, unit: 'ms' },
      ...{ values: [p95], goal: goals[kind] },
    });
  }
}

/** In whole milliseconds. */
function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(
    sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)] ?? NaN,
  );
}
