import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import type { Accepted } from '../crash/support/observer.js';
import { grantRole } from '../support/grant-role-definition.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { TEST_API_KEY } from '../support/test-app.js';
import type { Installation } from './installation.js';

const GRANTED = { kind: 'setAttribute', name: 'Notes', value: 'Granted {{First Name}}' } as const;
const MEMBERS = grantRole({ grant: { required: ['First Name'], behaviors: [GRANTED] } });

/** Every record that changes something also owes a mail and a webhook. */
function messengers(webhookUrl: string): WorkflowDefinition {
  return grantRole({
    name: 'messenger',
    title: 'Messenger',
    grant: {
      required: ['First Name'],
      behaviors: [
        GRANTED,
        {
          kind: 'sendEmail',
          to: ':Email',
          subject: 'Welcome {{First Name}}',
          template: 'Dear {{First Name}}',
        },
        { kind: 'webhook', url: webhookUrl },
      ],
    },
  });
}

/** A batch as it was answered, with what its records owe beside their effects. */
export interface Sent extends Accepted {
  unchanged: number;
  /** Mails, and as many webhooks, that its records owe. */
  messages: number;
}

interface Content extends Omit<Sent, 'id' | 'mails'> {
  text: string;
}

const CALL_LIMIT_MS = 20_000;
const AGAIN_AFTER_MS = 250;
/** Answers after which the same call may succeed. */
const PASSING = [409, 429, 503];

/** Sends batches whose outcome is known, each until it is answered 202, always with the same Idempotency-Key. */
export class Load {
  readonly sent: Sent[] = [];
  /** Answers that no fault explains. */
  readonly unexpected: string[] = [];
  calls = 0;
  private members = 0;
  private running = true;

  private constructor(
    private readonly installation: Installation,
    private readonly random: () => number,
    private readonly importProcesses: { members: number; messengers: number },
  ) {}

  /** Defines the workflows and the import processes. */
  static async begin(installation: Installation, random: () => number): Promise<Load> {
    const client = new ImportClient(await installation.slots[0]!.process.url());
    return new Load(installation, random, {
      members: await client.setUp(MEMBERS),
      messengers: await client.setUp(messengers(`${installation.webhooks.url}/hook`)),
    });
  }

  get records(): number {
    return this.sent.reduce((sum, { total }) => sum + total, 0);
  }

  /** Records that a worker has to process: the invalid ones have their outcome with the 202. */
  get valid(): number {
    return this.sent.reduce((sum, { total, invalid }) => sum + total - invalid, 0);
  }

  /** Sends one batch after the other until `stop`. */
  async run(isEnough: () => Promise<boolean>): Promise<void> {
    while (this.running) {
      if (await isEnough()) await delay(AGAIN_AFTER_MS);
      else if (this.random() < 0.3) await this.send('messengers', this.content(5 + this.below(25), 'W'));
      else await this.send('members', this.content(200 + this.below(1_800), 'M'));
    }
  }

  /** No further batch begins; one that has begun is sent until it is answered. */
  stop(): void {
    this.running = false;
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** New members; some are invalid, and some come again later in the batch, changed or unchanged. */
  private content(count: number, prefix: 'M' | 'W'): Content {
    const first = this.members;
    this.members += count;
    const row = (n: number, more = {}) =>
      member(n, { ':UniqueId': `${prefix}-${n}`, ':Email': `${prefix}${n}@example.org`, ...more });
    const rows: object[] = [];
    const again: object[] = [];
    const content = { total: 0, invalid: 0, created: 0, updated: 0, unchanged: 0, messages: 0 };
    for (let n = first; n < first + count; n += 1) {
      const fate = this.random();
      if (fate < 0.02) {
        content.invalid += 1;
        rows.push(row(n, { 'First Name': undefined }));
        continue;
      }
      content.created += 1;
      rows.push(row(n));
      if (fate > 0.95) {
        content.updated += 1;
        again.push(row(n, { 'First Name': `Changed ${n}` }));
      } else if (fate > 0.85) {
        content.unchanged += 1;
        again.push(row(n));
      }
    }
    const all = [...rows, ...again];
    content.total = all.length;
    if (prefix === 'W') content.messages = content.created + content.updated;
    return { ...content, text: jsonl(all) };
  }

  private async send(kind: 'members' | 'messengers', { text, ...content }: Content): Promise<void> {
    const query = new URLSearchParams({
      fileName: 'chaos.jsonl',
      importProcessId: String(this.importProcesses[kind]),
      sendSuccessEmailTo: 'owner@example.org',
      sendFailureEmailTo: 'owner@example.org',
    });
    const path = `/API/WorkflowImportQueue/CreateBatch?${query}`;
    const key = randomUUID();
    let id: number | undefined;
    while (id === undefined) {
      id = await this.call(path, key, text);
      if (id === undefined) await delay(AGAIN_AFTER_MS);
    }
    this.sent.push({ id, mails: 1, ...content });
  }

  /** Returns the id of the batch, or `undefined` if the call must be repeated. */
  private async call(path: string, key: string, body: string): Promise<number | undefined> {
    const url = this.installation.apiUrl(this.random);
    if (url === undefined) return undefined;
    this.calls += 1;
    try {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: {
          authorization: `apikey ${TEST_API_KEY}`,
          'content-type': 'application/jsonl',
          'idempotency-key': key,
        },
        body,
        signal: AbortSignal.timeout(CALL_LIMIT_MS),
      });
      const answer = await response.text();
      if (response.status === 202) {
        return (JSON.parse(answer) as { WORKFLOW_IMPORT_QUEUE_BATCH_ID: number })
          .WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      }
      if (!PASSING.includes(response.status)) this.unexpected.push(`${response.status} ${answer}`);
    } catch {
      // The process died, or is frozen: the key makes a repetition safe.
    }
    return undefined;
  }
}
