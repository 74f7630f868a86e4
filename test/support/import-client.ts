import type { BatchResource } from '../../src/batches/batch-resource.js';
import type { WorkflowDefinition, WorkflowTargetConfiguration } from '../../src/workflows/definition.js';
import { eventually } from './eventually.js';
import { grantRole } from './grant-role-definition.js';
import { TEST_API_KEY } from './test-app.js';

export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

const ENDED = ['completed', 'completed_with_errors', 'failed', 'canceled'];

export const MEMBER_WORKFLOW = grantRole({ grant: { required: ['First Name'] } });

/** A client of the HTTP API with every permission, as an adopter would write one. */
export class ImportClient {
  constructor(
    readonly url: string,
    private readonly key = TEST_API_KEY,
  ) {}

  async call(
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const json = options.body !== undefined && !isRaw(options.body);
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `apikey ${this.key}`,
        ...(json && { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: json ? JSON.stringify(options.body) : (options.body as RequestInit['body']),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parseJson(text) };
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    return this.call('POST', path, { body, headers });
  }

  createBatch(
    body: string | Uint8Array,
    query: Record<string, string | number>,
    headers: Record<string, string> = { 'content-type': 'application/jsonl' },
  ): Promise<Answer> {
    const parameters = new URLSearchParams({ fileName: 'test.jsonl' });
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    return this.call('POST', `/API/WorkflowImportQueue/CreateBatch?${parameters}`, { body, headers });
  }

  /** Does an action, for example `Confirm`, with the batch that an answer is about. */
  act(answer: Answer, action: string): Promise<Answer> {
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = answer.body;
    return this.post(`/API/WorkflowImportQueue/Batches/${id}/${action}`);
  }

  /** The records, 200 at most, of the batch that an answer is about. */
  async recordsOf(answer: Answer): Promise<any[]> {
    if (answer.status !== 202) throw new Error(`no batch: ${JSON.stringify(answer.body)}`);
    return (await this.get(`${answer.body.links.records}?limit=200`)).body.items;
  }

  /** Uploads a file as a browser does. */
  upload(
    file: string | Uint8Array,
    query: Record<string, string | number>,
    fields: Record<string, string> = {},
  ): Promise<Answer> {
    const parameters = new URLSearchParams({ fileName: 'test.csv' });
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', new Blob([file]), 'test.csv');
    return this.call('POST', `/API/WorkflowImportQueue/Uploads?${parameters}`, { body: form });
  }

  /** From now on the import process takes nothing in. */
  async disable(importProcessId: number): Promise<void> {
    const path = `/API/WorkflowImportQueue/ImportProcesses/${importProcessId}`;
    const { id: _id, createdAt: _made, updatedAt: _changed, ...process } = (await this.get(path)).body;
    const { status, body } = await this.call('PUT', path, { body: { ...process, status: 'disabled' } });
    if (status !== 200) throw new Error(`not disabled: ${JSON.stringify(body)}`);
  }

  /** Defines the workflow and an import process for it; answers the id of the process. */
  async setUp(
    workflow: WorkflowDefinition = MEMBER_WORKFLOW,
    target: Partial<WorkflowTargetConfiguration> = {},
    extra: Record<string, unknown> = {},
  ): Promise<number> {
    const defined = await this.post('/API/Workflows', workflow);
    if (![201, 409].includes(defined.status))
      throw new Error(`workflow refused: ${JSON.stringify(defined.body)}`);
    const made = await this.post('/API/WorkflowImportQueue/ImportProcesses', {
      name: `Import ${Math.random()}`,
      description: 'of the tests',
      note: '',
      icon: 'users',
      displayOrder: 10,
      status: 'active',
      target: {
        kind: 'workflow',
        workflow: workflow.name,
        step: 'Import',
        action: workflow.steps.find(({ kind }) => kind === 'dataImport')?.actions[0]?.name,
        onNoMatch: 'create',
        onMatch: 'update',
        ...target,
      },
      ...extra,
    });
    if (made.status !== 201) throw new Error(`import process refused: ${JSON.stringify(made.body)}`);
    return Number(made.headers.get('location')!.split('/').at(-1));
  }

  async batch(id: number): Promise<BatchResource> {
    return (await this.get(`/API/WorkflowImportQueue/Batches/${id}`)).body;
  }

  ended(id: number, boundMs = 30_000): Promise<BatchResource> {
    return eventually(
      async () => {
        const batch = await this.batch(id);
        return ENDED.includes(batch.status) ? batch : null;
      },
      `batch ${id} to end`,
      boundMs,
    );
  }
}

function isRaw(body: unknown): boolean {
  return (
    typeof body === 'string' ||
    body instanceof Uint8Array ||
    body instanceof ReadableStream ||
    body instanceof FormData
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const member = (n: number, more: Record<string, unknown> = {}) => ({
  ':UniqueId': `M-${n}`,
  ':Email': `person${n}@example.org`,
  'First Name': `First ${n}`,
  Level: 'Fellow',
  ...more,
});

export const jsonl = (rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
