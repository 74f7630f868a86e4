import 'reflect-metadata';
import { Test, type TestingModule } from '@nestjs/testing';
import { Client } from 'pg';
import { DatabaseModule } from '../../src/app/database.js';
import {
  type Attempt,
  DEFAULT_SENDING_TIMES,
  MessageSender,
  SENDING_TIMES,
  type SendingTimes,
} from '../../src/delivery/message-sender.js';
import type { NotificationKind } from '../../src/delivery/message.js';
import { DueMessages, Outbox } from '../../src/delivery/outbox.js';
import { resendMessage } from '../../src/delivery/outbox.sql.js';
import { BatchMailsModule } from '../../src/notifications/notifications.module.js';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import { ConfigModule } from '../../src/platform/config/config.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { insertBatch, type StoredBatch, storeImportProcess } from './stored-batch.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** Retries soon, gives a silent worker up late: each can be turned round where a test is about the other. */
export const QUICK: SendingTimes = { ...DEFAULT_SENDING_TIMES, backOffMs: [50, 100, 200], claimMs: 30_000 };

export interface NotificationRow {
  status: string;
  attempts: number;
  subject: string | null;
  text_body: string | null;
  html_body: string | null;
  last_error: string | null;
  sent_at: Date | null;
  next_attempt_at: Date;
  locked_until: Date | null;
}

/** Sends mails about batches. */
export interface MailSender {
  send: (id: number, stop?: AbortSignal) => Promise<Attempt>;
}

function senderOf(worker: TestingModule): MailSender {
  const sender = worker.get(MessageSender, { strict: false });
  return { send: (id, stop) => sender.send({ kind: 'batch_mail', id }, stop) };
}

/** The real worker for mails about batches, on real servers. */
export class NotificationFixture {
  private readonly workers: TestingModule[] = [];
  private importProcessId = 0;

  private constructor(
    private readonly database: TestDatabase,
    public client: Client,
    private readonly environment: Record<string, string>,
  ) {}

  static async start(environment: Record<string, string>, times = QUICK): Promise<NotificationFixture> {
    const database = await createTestDatabase();
    const fixture = new NotificationFixture(database, await connected(database), environment);
    fixture.importProcessId = await storeImportProcess(fixture.client, 'Member import');
    await fixture.addWorker(times);
    return fixture;
  }

  get outbox(): Outbox {
    return this.workers[0]!.get(Outbox, { strict: false });
  }

  get sender(): MailSender {
    return senderOf(this.workers[0]!);
  }

  async addWorker(times = QUICK, environment: Record<string, string> = {}): Promise<MailSender> {
    const config = loadConfig({
      DATABASE_URL: this.database.url,
      REDIS_URL: process.env.REDIS_URL,
      QUEUE_PREFIX: this.database.name,
      PUBLIC_URL: 'https://imports.example.org',
      MAIL_FROM: 'Imports <imports@example.org>',
      ...this.environment,
      ...environment,
    });
    const worker = await Test.createTestingModule({
      imports: [ConfigModule.with(config), DatabaseModule, BatchMailsModule],
    })
      .overrideProvider(SENDING_TIMES)
      .useValue(times)
      // Tests say when due mails are looked for.
      .overrideProvider(DueMessages)
      .useValue({})
      .compile();
    worker.useLogger(false);
    this.workers.push(worker);
    await worker.init();
    return senderOf(worker);
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
    await this.client.end();
    await this.database.drop();
  }

  /** The database has ended all connections and refuses new ones, as while it restarts. */
  async withoutDatabase(work: () => Promise<void>): Promise<void> {
    const name = this.database.name;
    await this.client.end();
    const administrator = new Client({ connectionString: process.env.DATABASE_URL });
    await administrator.connect();
    try {
      await administrator.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
      await administrator.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
        name,
      ]);
      await work();
    } finally {
      await administrator.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
      await administrator.end();
    }
    this.client = await connected(this.database);
  }

  /** Stores a batch that ended, of one record that succeeded unless the test says more. */
  storeBatch(batch: Partial<StoredBatch> = {}): Promise<number> {
    return insertBatch(this.client, this.importProcessId, {
      status: 'completed',
      records: [{ line: 1, status: 'succeeded', operation: 'created', payload: '{}' }],
      startedAt: new Date('2026-11-24T08:00:00Z'),
      finishedAt: new Date('2026-11-24T08:00:03Z'),
      ...batch,
    });
  }

  /** Owes a mail about a batch, as its finish does. */
  async owe(batchId: number, recipient: string, kind: NotificationKind = 'success'): Promise<number> {
    const [id] = await this.workers[0]!.get(DatabaseService).transaction((transaction) =>
      this.outbox.addBatchMails(transaction, { batchId, kind, recipients: [recipient] }),
    );
    return id!;
  }

  async wake(...ids: number[]): Promise<void> {
    await this.outbox.wake('batch_mail', ids);
  }

  /** Asks for a mail to be sent again, as people do. */
  async resend(id: number): Promise<void> {
    await resendMessage(this.workers[0]!.get(DatabaseService), { kinds: ['batch_mail'], id });
    await this.wake(id);
  }

  async row(id: number): Promise<NotificationRow> {
    const { rows } = await this.client.query<NotificationRow>(
      `SELECT * FROM outbox WHERE kind = 'batch_mail' AND outbox_id = $1`,
      [id],
    );
    return rows[0]!;
  }
}

async function connected(database: TestDatabase): Promise<Client> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  return client;
}
