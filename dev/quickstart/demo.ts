import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BatchResource, CreationAnswer } from '../../src/batches/batch-resource.js';
import type { ApiClient } from './api-client.js';

/** Next to `dist`; documented there for users who do the same with curl. */
const EXAMPLES = new URL('../../examples/', import.meta.url);

/** One file of an example, and the import process for it. */
interface ExampleImport {
  process: string;
  data: string;
}

export interface Example {
  folder: string;
  /** In a meaningful order. */
  imports: readonly ExampleImport[];
}

export const MEMBER_ROLES: Example = {
  folder: 'member-roles',
  imports: [{ process: 'import-process.json', data: 'members.jsonl' }],
};

/** The further examples that quickstart shows. */
export const OTHER_EXAMPLES: readonly Example[] = [
  {
    folder: 'applications',
    imports: [
      { process: 'open-applications.json', data: 'applications.jsonl' },
      { process: 'import-process.json', data: 'decisions.jsonl' },
    ],
  },
  {
    folder: 'activities',
    imports: [{ process: 'import-process.json', data: 'activities.jsonl' }],
  },
];

export function exampleFile({ folder }: Example, file: string): string {
  return fileURLToPath(new URL(`${folder}/${file}`, EXAMPLES));
}

async function readExample<Content>(example: Example, file: string): Promise<Content> {
  return JSON.parse(await readFile(exampleFile(example, file), 'utf8')) as Content;
}

const RUNNING = ['receiving', 'awaiting_confirmation', 'queued', 'in_progress', 'paused', 'canceling'];
const BOUND_MS = 120_000;

/** The import that the summary describes, and the other places to look at. */
export interface Demo {
  batch: BatchResource;
  importProcessId: number;
  others: BatchResource[];
}

/** Creates the missing parts of the examples. Imports the members each time, and the other data only when it is new. */
export async function showExamples(client: ApiClient): Promise<Demo> {
  const others: BatchResource[] = [];
  for (const example of OTHER_EXAMPLES) {
    const isNew = await ensureWorkflow(client, example);
    for (const each of example.imports) {
      const id = await ensureImportProcess(client, example, each);
      if (isNew) others.push(await importFile(client, example, each, id));
    }
  }
  await ensureWorkflow(client, MEMBER_ROLES);
  const [members] = MEMBER_ROLES.imports;
  if (members === undefined) throw new Error('the example has nothing to import');
  const importProcessId = await ensureImportProcess(client, MEMBER_ROLES, members);
  const batch = await importFile(client, MEMBER_ROLES, members, importProcessId);
  return { batch, importProcessId, others };
}

/** Returns whether it was missing. */
export async function ensureWorkflow(client: ApiClient, example: Example): Promise<boolean> {
  const workflow = await readExample<{ name: string }>(example, 'workflow.json');
  const { status } = await client.call('GET', `/API/Workflows/${workflow.name}`);
  if (status !== 404) return false;
  await client.post('/API/Workflows', workflow);
  return true;
}

/** Returns the id of the import process, which is created if missing. */
export async function ensureImportProcess(
  client: ApiClient,
  example: Example,
  { process }: ExampleImport,
): Promise<number> {
  const path = '/API/WorkflowImportQueue/ImportProcesses';
  const wanted = await readExample<{ name: string }>(example, process);
  const { items } = await client.get<{ items: { id: number; name: string }[] }>(path);
  const existing = items.find(({ name }) => name === wanted.name);
  return (existing ?? (await client.post<{ id: number }>(path, wanted))).id;
}

/** Imports a file of an example and returns the batch once it has ended. */
export async function importFile(
  client: ApiClient,
  example: Example,
  { data }: ExampleImport,
  importProcessId: number,
): Promise<BatchResource> {
  const body = await readFile(exampleFile(example, data));
  const query = new URLSearchParams({
    fileName: data,
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
