import { openAsBlob, rmSync } from 'node:fs';
import { measure } from './results.js';
import {
  api,
  BENCH_KEY,
  benchRecord,
  freshDatabase,
  type Service,
  setUpProcess,
  startProcess,
  writeRecords,
} from './support.js';

/**
 * Preview: an upload, received and previewed, from the call to the answer of the preview, if none of it exists yet, if all
 * of it does, and if all of it changes. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/preview.ts [records]
 */

const records = Number(process.argv[2] ?? 100_000);
const DATABASE = 'wiq_bench_preview';
const QUEUE = '/API/WorkflowImportQueue';

await freshDatabase(DATABASE);
const path = await writeRecords(records);
const service = await startProcess(DATABASE, 3996);
const importProcessId = await setUpProcess(service);
const first = await preview('all new');
await api(service, 'POST', `${QUEUE}/Batches/${first}/Confirm`);
while ((await api(service, 'GET', `${QUEUE}/Batches/${first}`)).status !== 'completed') {
  await new Promise((resolve) => setTimeout(resolve, 200));
}
await preview('all there');
const changed = await writeRecords(records, (n) => benchRecord(n).replace('two hundred', '200'));
await preview('all changed', changed);
await service.stop();
for (const file of [path, changed]) rmSync(file, { force: true });

async function upload({ url }: Service, file: string): Promise<number> {
  const form = new FormData();
  form.append('file', await openAsBlob(file), 'bench.jsonl');
  const answer = await fetch(
    `${url}${QUEUE}/Uploads?fileName=bench.jsonl&importProcessId=${importProcessId}`,
    {
      method: 'POST',
      headers: { authorization: `apikey ${BENCH_KEY}` },
      body: form,
    },
  );
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
  return JSON.parse(text).WORKFLOW_IMPORT_QUEUE_BATCH_ID;
}

async function preview(what: string, file = path): Promise<number> {
  const started = performance.now();
  const batchId = await upload(service, file);
  const stored = performance.now();
  await api(service, 'GET', `${QUEUE}/Batches/${batchId}/Preview?limit=1`);
  const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(1);
  console.log(
    `${what}: ${records} records uploaded and previewed in ${seconds(started)} s (${seconds(stored)} s after the upload's answer)`,
  );
  measure({
    ...{ name: `preview, ${records.toLocaleString('en')} rows, ${what}`, unit: 's' },
    values: [(performance.now() - started) / 1000],
  });
  return batchId;
}
