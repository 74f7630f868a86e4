import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ChildProgram } from '../support/child-program.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_API_KEY } from '../support/test-app.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

interface Exported {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  links?: { traceId: string; spanId: string }[];
}

/** A collector of OTLP over HTTP, in the JSON encoding. */
class Collector {
  readonly spans: Exported[] = [];
  private readonly server: Server = createServer((request, response) => {
    const body: Buffer[] = [];
    request.on('data', (bytes: Buffer) => body.push(bytes));
    request.on('end', () => {
      const sent = JSON.parse(Buffer.concat(body).toString());
      for (const { scopeSpans } of sent.resourceSpans)
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((listens) => this.server.listen(0, '127.0.0.1', listens));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('tracing', () => {
  const collector = new Collector();
  let receiver: WebhookReceiver;
  let mails: SmtpSink;
  let database: TestDatabase;
  let service: ChildProgram;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    mails = await SmtpSink.start();
    database = await createTestDatabase();
    service = new ChildProgram('src/main.ts', [], {
      DATABASE_URL: database.url,
      REDIS_URL: process.env.REDIS_URL!,
      QUEUE_PREFIX: database.name,
      PORT: '0',
      SMTP_URL: mails.url,
      MAIL_FROM: 'imports@example.org',
      ALLOW_PRIVATE_TARGETS: 'true',
      BOOTSTRAP_API_KEY: TEST_API_KEY,
      OTEL_EXPORTER_OTLP_ENDPOINT: await collector.start(),
      OTEL_BSP_SCHEDULE_DELAY: '200',
    });
  });
  afterAll(async () => {
    await service?.stop();
    collector.stop();
    await mails?.down();
    await receiver?.stop();
    await database?.drop();
  });

  /** Break it: in `startBatch`, leave out `traceparent`; in `claim`, too; in `inSpan`, leave out the links. */
  it('shows the call, its chunk, its webhook and its mail in one trace', async () => {
    const url = await service.prints(/listens on (http:\/\/\S+?)["\s]/);
    const client = new ImportClient(url);
    const importProcessId = await client.setUp();
    await client.post('/API/WebhookEndpoints', {
      url: `${receiver.url}/trace`,
      description: 'Trace',
      events: ['batch.completed'],
    });
    const caller = '00-11111111111111111111111111111111-2222222222222222-01';
    const { body } = await client.createBatch(
      jsonl([member(1)]),
      { importProcessId, sendSuccessEmailTo: 'ada@example.org' },
      { 'content-type': 'application/jsonl', traceparent: caller },
    );
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const named = (name: string) =>
      collector.spans.find((span) => span.name === name && span.traceId === '1'.repeat(32)) ?? null;
    const [post, ...caused] = await Promise.all(
      ['POST /API/WorkflowImportQueue/CreateBatch', 'process chunk', 'send webhook', 'send mail'].map(
        (name) => eventually(() => named(name), name),
      ),
    );
    expect(post!.parentSpanId).toBe('2'.repeat(16));
    for (const span of caused) {
      expect(span.parentSpanId).toBe(post!.spanId);
      expect(span.links).toMatchObject([{ traceId: post!.traceId, spanId: post!.spanId }]);
    }
    const [webhook] = receiver.at('/trace');
    expect(webhook!.headers['traceparent']).toMatch(/^00-1{32}-[0-9a-f]{16}-01$/);
    expect(service.output).toMatch(
      /"message":"POST \/API\/WorkflowImportQueue\/CreateBatch 202[^\n]*"traceId":"1{32}"/,
    );
    expect(JSON.stringify(collector.spans)).not.toContain('ada@example.org');
  });
});
