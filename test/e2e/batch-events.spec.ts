import { get as httpGet, type IncomingMessage } from 'node:http';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

interface SentEvent {
  event: string;
  id?: string;
  data: any;
}

/** Listens as a browser does. */
class Listening {
  readonly events: SentEvent[] = [];
  closed = false;
  private text = '';

  private constructor(readonly response: IncomingMessage) {
    response.setEncoding('utf8').on('data', (piece: string) => this.read(piece));
    response.once('close', () => (this.closed = true));
  }

  static async to(url: string, headers: Record<string, string> = {}): Promise<Listening> {
    const authorization = `apikey ${TEST_API_KEY}`;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // Break it: in `compressedAnswers`, compress `text/event-stream`: events then wait for more.
      const all = { authorization, 'accept-encoding': 'gzip, br', ...headers };
      httpGet(url, { headers: all, agent: false }, resolve).once('error', reject);
    });
    return new Listening(response);
  }

  get statuses(): string[] {
    return this.events.filter(({ event }) => event === 'status').map(({ data }) => data.status);
  }

  private read(piece: string): void {
    this.text += piece;
    for (let end = this.text.indexOf('\n\n'); end !== -1; end = this.text.indexOf('\n\n')) {
      const lines = this.text.slice(0, end).split('\n');
      this.text = this.text.slice(end + 2);
      const fields = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s, 2)));
      if (fields.event)
        this.events.push({ event: fields.event, id: fields.id, data: JSON.parse(fields.data) });
    }
  }
}

describe('GET …/Batches/{id}/Events', () => {
  let api: TestApp;
  let worker: TestApp | undefined;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    api = await startTestApp({ ROLE: 'api', CHUNK_SIZE: '5' });
    client = new ImportClient(api.url);
    importProcessId = await client.setUp();
  });

  afterAll(async () => {
    await worker?.close();
    await api.close();
  });

  const eventsUrl = (id: number, of = api) => `${of.url}/API/WorkflowImportQueue/Batches/${id}/Events`;
  const upload = async (rows: unknown[]): Promise<number> => {
    const { body } = await client.upload(jsonl(rows), { importProcessId });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const until = (condition: () => boolean, what: string) => eventually(async () => condition(), what, 15_000);

  it('sends the state of the batch at once, then every change, and closes when it has ended', async () => {
    const id = await upload(Array.from({ length: 20 }, (_, n) => member(n)));
    const first = await Listening.to(eventsUrl(id));
    const second = await Listening.to(eventsUrl(id));
    expect(first.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    await until(() => first.events.length >= 2, 'the first events');
    expect(first.events[0]).toMatchObject({
      event: 'progress',
      data: { status: 'awaiting_confirmation', recordCounts: { total: 20, pending: 20 } },
    });
    expect(first.events[1]).toMatchObject({
      event: 'status',
      data: { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, status: 'awaiting_confirmation', links: expect.anything() },
    });

    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Confirm`);
    await until(() => first.statuses.includes('queued'), 'the status queued');
    worker = await startTestApp({
      ROLE: 'worker',
      CHUNK_SIZE: '5',
      DATABASE_URL: api.config.databaseUrl!,
      QUEUE_PREFIX: api.config.queuePrefix,
    });
    await until(() => first.closed && second.closed, 'both streams to close');
    for (const { events, statuses } of [first, second]) {
      expect(statuses.at(-1)).toBe('completed');
      expect(events.at(-1)).toMatchObject({
        event: 'status',
        id: 'end',
        data: { recordCounts: { succeeded: 20 } },
      });
      for (const { data } of events) {
        const { total, ...states } = data.recordCounts as Record<string, number>;
        expect(Object.values(states).reduce((sum, count) => sum + count, 0)).toBe(total);
      }
    }
  }, 60_000);

  it('answers 204 to a client that returns after the end, so that it stops', async () => {
    const id = await upload([member(1)]);
    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Abandon`);
    const anew = await Listening.to(eventsUrl(id));
    await until(() => anew.closed, 'the stream of an ended batch to close');
    expect(anew.statuses).toEqual(['canceled']);
    const again = await Listening.to(eventsUrl(id), { 'last-event-id': 'end' });
    expect(again.response.statusCode).toBe(204);
  });

  it('refuses an unknown batch like every other route', async () => {
    expect(await client.get('/API/WorkflowImportQueue/Batches/999999/Events')).toMatchObject({
      status: 404,
      body: { code: 'batch_not_found' },
    });
  });

  it('continues for others when one listener leaves', async () => {
    const id = await upload([member(2)]);
    const leaving = await Listening.to(eventsUrl(id));
    const staying = await Listening.to(eventsUrl(id));
    await until(() => leaving.events.length > 0 && staying.events.length > 0, 'both to be told');
    leaving.response.destroy();
    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Abandon`);
    await until(() => staying.closed, 'the other stream to close');
    expect(staying.statuses.at(-1)).toBe('canceled');
  });

  it('is closed when the process stops, whatever the batch does', async () => {
    const other = await startTestApp({
      ROLE: 'api',
      DATABASE_URL: api.config.databaseUrl!,
      QUEUE_PREFIX: api.config.queuePrefix,
    });
    const listening = await Listening.to(eventsUrl(await upload([member(3)]), other));
    await until(() => listening.events.length > 0, 'the first events');
    await other.close();
    await until(() => listening.closed, 'the stream to close');
  });
});
