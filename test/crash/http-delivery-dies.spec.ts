import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { examine } from '../../src/operations/doctor/examination.js';
import { ImportClient, jsonl } from '../support/import-client.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { Site } from './support/site.js';

const ROWS = [1, 2, 3, 4];

describe('a worker that is killed (kill -9) between the answer of a receiver and its note of it', () => {
  let receiver: WebhookReceiver;
  let site: Site;
  let client: ImportClient;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    site = await Site.open({ ALLOW_PRIVATE_TARGETS: 'true' });
    client = new ImportClient(await site.start('api').ready());
  });
  afterAll(async () => {
    await site?.close();
    await receiver?.stop();
  });

  /** In line order, so that the passage at which the worker dies is known. */
  const send = async (name: string, target: object): Promise<number> => {
    const url = `${receiver.url}/${name}`;
    const { body } = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      ...{ name, ordered: true, target: { kind: 'http', url, ...target } },
    });
    const sent = await client.createBatch(jsonl(ROWS.map((n) => ({ n }))), { importProcessId: body.id });
    return sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
  };
  const killedAt = async (passage: number, begin: () => Promise<number>): Promise<number> => {
    const doomed = site.start('worker', { FAULT_POINTS: `delivery.before-save:kill@${passage}` });
    await doomed.ready();
    const id = await begin();
    expect(await doomed.ended()).toEqual({ code: null, signal: 'SIGKILL' });
    return id;
  };
  const linesAt = (path: string) =>
    receiver.received
      .filter((request) => request.path === path)
      .map(({ headers }) => Number(headers['x-import-line']));
  const statusesOf = async (id: number) => {
    const { body } = await client.get(`/API/WorkflowImportQueue/Batches/${id}/Records`);
    return body.items.map(({ status }: { status: string }) => status);
  };

  /**
   * Break it: in `LeasedChunks.lease`, leave `endInterrupted` out; in `parcelsOf`, put a random part into the key; in
   * `lockChunk`, take no chunk whose lease is over.
   */
  it('sends the record again under its key, or never again if the receiver takes no keys', async () => {
    // The outcomes of lines 1 and 2 are the first two passages; before them, each record of the other batch is noted.
    const repeated = await killedAt(2, () => send('repeated', {}));
    const once = await killedAt(4, () => send('once', { idempotent: false }));
    expect([linesAt('/repeated'), linesAt('/once')]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    // The leases of the dead are over.
    await site.observer.rows(
      'UPDATE import_queue_chunk SET lease_until = now() WHERE lease_until IS NOT NULL',
    );
    await site.start('worker').ready();

    expect((await client.ended(repeated, 60_000)).recordCounts).toMatchObject({ total: 4, succeeded: 4 });
    expect(linesAt('/repeated')).toEqual([1, 2, 2, 3, 4]);
    const keys = receiver.received
      .filter(({ path }) => path === '/repeated')
      .map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(4);

    expect((await client.ended(once, 60_000)).recordCounts).toMatchObject({ succeeded: 3, unknown: 1 });
    expect(await statusesOf(once)).toEqual(['succeeded', 'unknown', 'succeeded', 'succeeded']);
    expect(linesAt('/once')).toEqual([1, 2, 3, 4]);
    const violations = await examine(site.observer.client, INVARIANTS);
    expect(violations.map(({ invariant, rows }) => [invariant.code, rows])).toEqual([]);
  });
});
