import { gunzipSync } from 'node:zlib';
import {
  type ClientEvent,
  ImportQueueClient,
  RefusedError,
  UnreachableError,
} from '../../src/client/index.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const collect = async <Item>(items: AsyncIterable<Item>) => {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe('the typed client', () => {
  let app: TestApp;
  let client: ImportQueueClient;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportQueueClient({ url: app.url, key: TEST_API_KEY, retryDelayMs: 10 });
    importProcessId = await new ImportClient(app.url).setUp();
  });

  afterAll(() => app?.close());

  const rows = (count: number) => Array.from({ length: count }, (_, n) => member(n));

  /** Loses the answer of the first calls that match, after the service has given it. */
  const losing = (matching: RegExp, times: number) => {
    const sent: string[] = [];
    const lossy: typeof fetch = async (...call) => {
      const [url] = call;
      if (typeof url !== 'string' || !matching.test(url)) return fetch(...call);
      sent.push(url);
      const response = await fetch(...call);
      if (sent.length <= times) {
        await response.body?.cancel();
        throw new TypeError('fetch failed', { cause: new Error('socket hang up') });
      }
      return response;
    };
    return {
      sent,
      client: new ImportQueueClient({ url: app.url, key: TEST_API_KEY, retryDelayMs: 10, fetch: lossy }),
    };
  };

  it('streams rows in and iterates over events and records', async () => {
    async function* endless() {
      for (const row of rows(450)) yield await Promise.resolve(row);
      yield await Promise.resolve(member(450, { Level: 'Unknown' }));
    }
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, recordCounts } = await client.createBatch({
      fileName: 'rows.jsonl',
      importProcessId,
      body: endless(),
      gzip: true,
    });
    expect(recordCounts.total).toBe(451);

    const events: ClientEvent[] = await collect(client.events(id));
    expect(events[0]!.type).toBe('progress');
    expect(events.at(-1)).toMatchObject({ type: 'status', batch: { status: 'completed_with_errors' } });
    // More than two pages.
    const lines = (await collect(client.records(id))).map(({ line }) => line);
    expect(lines).toEqual(Array.from({ length: 451 }, (_, index) => index + 1));
    expect(await collect(client.resultRecords(id, { set: 'failed' }))).toEqual([
      expect.objectContaining({
        line: 451,
        status: 'invalid',
        record: expect.objectContaining({ Level: 'Unknown' }),
      }),
    ]);
    expect((await client.wait(id)).recordCounts).toMatchObject({ total: 451, succeeded: 450, invalid: 1 });
  });

  it('makes one batch if the answer to the first attempt is lost', async () => {
    const { client: lossy, sent } = losing(/CreateBatch/, 2);
    const accepted = await lossy.createBatch({
      fileName: 'lost-answer.jsonl',
      importProcessId,
      body: jsonl(rows(3)),
    });
    expect(sent.length).toBe(3);
    const batches = await collect(client.batches({ q: 'lost-answer' }));
    expect(batches.map((batch) => batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual([
      accepted.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
    ]);
  });

  it('does not repeat a call whose body can be read only once', async () => {
    const { client: lossy, sent } = losing(/CreateBatch/, 1);
    const call = lossy.createBatch({
      fileName: 'once.jsonl',
      importProcessId,
      body: new Blob([jsonl(rows(1))]).stream(),
    });
    await expect(call).rejects.toThrow(UnreachableError);
    expect(sent.length).toBe(1);
  });

  it('compresses the body, and counts what it read of it', async () => {
    const bodies: Buffer[] = [];
    const spy: typeof fetch = async (url, init) => {
      bodies.push(Buffer.from(await new Response(init!.body).arrayBuffer()));
      return fetch(url, { ...init, body: bodies[0] as never });
    };
    const body = jsonl(rows(200));
    const read: number[] = [];
    await new ImportQueueClient({ url: app.url, key: TEST_API_KEY, fetch: spy }).createBatch({
      fileName: 'compressed.jsonl',
      importProcessId,
      body,
      gzip: true,
      onRead: (bytes) => read.push(bytes),
    });
    expect(gunzipSync(bodies[0]!).toString()).toBe(body);
    expect(bodies[0]!.length).toBeLessThan(body.length / 2);
    expect(read.at(-1)).toBe(Buffer.byteLength(body));
  });

  it('confirms an upload once, also if the answer is lost', async () => {
    const { client: lossy } = losing(/Confirm/, 1);
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, summary } = await client.upload({
      fileName: 'members.csv',
      importProcessId,
      file: new Blob([':UniqueId,:Email,First Name,Level\nU-1,u1@example.org,Una,Fellow\n']),
    });
    expect(summary).toMatchObject({ valid: 1, invalid: 0 });
    expect((await collect(client.preview(id))).map(({ operation }) => operation)).toEqual(['created']);
    expect((await client.wait(id)).status).toBe('awaiting_confirmation');
    expect((await lossy.act(id, 'Confirm')).status).not.toBe('awaiting_confirmation');
    expect((await client.wait(id)).status).toBe('completed');
  });

  it('opens a stream of events again that broke', async () => {
    const opened: string[] = [];
    const breaking: typeof fetch = async (...call) => {
      const [url] = call;
      const response = await fetch(...call);
      if (typeof url !== 'string' || !url.endsWith('/Events')) return response;
      opened.push(url);
      if (opened.length > 2) return response;
      const cut = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          controller.enqueue(piece.slice(0, 40));
          controller.error(new Error('cut'));
        },
      });
      return new Response(response.body!.pipeThrough(cut), response);
    };
    const broken = new ImportQueueClient({
      url: app.url,
      key: TEST_API_KEY,
      retryDelayMs: 10,
      fetch: breaking,
    });
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = await client.createBatch({
      fileName: 'events.jsonl',
      importProcessId,
      body: rows(2),
    });
    expect((await broken.wait(id)).status).toBe('completed');
    expect(opened.length).toBe(3);
  });

  it('tells refusals from a service that does not answer', async () => {
    const refused = await client
      .createBatch({ fileName: 'bad.jsonl', importProcessId, body: '{' })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused).toMatchObject({ code: 'malformed_json_lines', status: 400 });
    expect((refused as RefusedError).problem.errors![0]).toMatchObject({ line: 1 });
    const nowhere = new ImportQueueClient({
      url: 'http://127.0.0.1:2',
      key: 'k',
      retries: 1,
      retryDelayMs: 1,
    });
    await expect(nowhere.batch(1)).rejects.toThrow(UnreachableError);
    const elsewhere: typeof fetch = async () => new Response('<html>Bad gateway</html>', { status: 502 });
    const proxied = new ImportQueueClient({ url: app.url, fetch: elsewhere, retries: 1, retryDelayMs: 1 });
    await expect(proxied.batch(1)).rejects.toThrow(UnreachableError);
  });

  it('stops when its caller does', async () => {
    const stop = new AbortController();
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = await client.upload({
      fileName: 'waiting.csv',
      importProcessId,
      file: new Blob([':UniqueId,:Email,First Name,Level\nW-1,w1@example.org,Wim,Fellow\n']),
    });
    const following = collect(client.events(id, stop.signal));
    stop.abort(new Error('enough'));
    await expect(following).rejects.toThrow('enough');
  });
});
