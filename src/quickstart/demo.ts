import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BatchResource, CreationAnswer } from '../import-queue/results/batch-resource.js';
import type { ApiClient } from './api-client.js';

/** The example, beside `dist`; documented there for those who do the same with curl. */
const EXAMPLE = new URL('../../examples/member-roles/', import.meta.url);
const DATA_FILE = 'members.jsonl';
export const DEMO_FILE = fileURLToPath(new URL(DATA_FILE, EXAMPLE));

const RUNNING = ['receiving', 'awaiting_confirmation', 'queued', 'in_progress', 'paused', 'canceling'];
const BOUND_MS = 120_000;

/** The workflow and the import process of the example, made if they are missing; answers the id of the process. */
export async function ensureImportProcess(client: ApiClient): Promise<number> {
  const workflow = await readExample<{ name: string }>('workflow.json');
  const { status } = await client.call('GET', `/API/Workflows/${workflow.name}`);
  if (status === 404) await client.post('/API/Workflows', workflow);

  const path = '/API/WorkflowImportQueue/ImportProcesses';
  const wanted = await readExample<{ name: string }>('import-process.json');
  const { items } = await client.get<{ items: { id: number; name: string }[] }>(path);
  const existing = items.find(({ name }) => name === wanted.name);
  return (existing ?? (await client.post<{ id: number }>(path, wanted))).id;
}

/** Imports the file of the example and answers the batch once it has ended. */
export async function importDemoFile(client: ApiClient, importProcessId: number): Promise<BatchResource> {
  const body = await readFile(DEMO_FILE);
  const query = new URLSearchParams({
    fileName: DATA_FILE,
    importProcessId: String(importProcessId),
    creationPath: 'QUICKSTART',
  });
  const { links } = await client.post<CreationAnswer>(
    `/API/WorkflowImportQueue/CreateBatch?${query.toString()}`,
    body,
  );
  const end = performance.now() + BOUND_MS;
  for (;;) {
    const batch = await client.get<BatchResource>(new URL(links.self, 'http://localhost').pathname);
    if (!RUNNING.includes(batch.status)) return batch;
    if (performance.now() > end) {
      throw new Error(`The import did not end within ${BOUND_MS / 1000} s: ${JSON.stringify(batch)}`);
    }
    await sleep(100);
  }
}

async function readExample<Content>(name: string): Promise<Content> {
  return JSON.parse(await readFile(new URL(name, EXAMPLE), 'utf8')) as Content;
}
