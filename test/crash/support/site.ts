import type { Role } from '../../../src/platform/config/config.js';
import { ImportClient } from '../../support/import-client.js';
import { type Pooler, startPgBouncer } from '../../support/pgbouncer.js';
import { PrivateRedis } from '../../support/private-redis.js';
import { SmtpSink } from '../../support/smtp-sink.js';
import { TEST_API_KEY } from '../../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../../support/test-database.js';
import { type Body, newMembers } from './members.js';
import { type Accepted, Observer } from './observer.js';
import { ServiceProcess } from './service-process.js';

/** Set by `npm run test:ha`, which runs the same tests through PgBouncer. */
const POOL_MODE = process.env.CRASH_POOLER;
/** What docs/operations.md asks for in transaction mode, for three workers and an API process. */
const POOL_SIZE = POOL_MODE === 'transaction' ? 28 : undefined;

/** Whom the mails of a batch go to. */
export interface MailTo {
  sendSuccessEmailTo?: string;
  sendFailureEmailTo?: string;
}

/** An installation whose processes a test breaks: its own database, Redis and SMTP server, and an observer. */
export class Site {
  /** Every batch that was answered 202. */
  readonly accepted: Accepted[] = [];
  private readonly processes: ServiceProcess[] = [];
  private importProcessId = 0;

  private constructor(
    readonly database: TestDatabase,
    public observer: Observer,
    readonly redis: PrivateRedis,
    readonly smtp: SmtpSink,
    private readonly pooler: Pooler | null,
    private readonly environment: Record<string, string>,
  ) {}

  /**
   * @param given a migrated database, for example on servers of the test; else a new one on the common server
   * @param state `restored` if the database already has what an observer needs
   */
  static async open(
    environment: Record<string, string> = {},
    given?: TestDatabase,
    state: 'new' | 'restored' = 'new',
  ): Promise<Site> {
    const database = given ?? (await createTestDatabase());
    return new Site(
      database,
      await (state === 'new' ? Observer.watch(database.url) : Observer.connect(database.url)),
      await PrivateRedis.start(),
      await SmtpSink.start(),
      POOL_MODE === 'transaction' || POOL_MODE === 'session'
        ? await startPgBouncer(database.url, POOL_MODE, POOL_SIZE)
        : null,
      environment,
    );
  }

  /** How the service reaches the database: through the pooler, if the tests run through one. */
  get databaseUrl(): string {
    return this.pooler?.url ?? this.database.url;
  }

  /** Looks through a new connection, after a fail-over has ended the former one. */
  async observeAgain(): Promise<void> {
    await this.observer.end().catch(() => undefined);
    this.observer = await Observer.connect(this.database.url);
  }

  /** Starts a process; `ready()` of it waits until it may be sent calls. @param program of another version */
  start(role: Role, environment: Record<string, string> = {}, program?: string): ServiceProcess {
    const variables = {
      DATABASE_URL: this.databaseUrl,
      DATABASE_POOL_SIZE: '8',
      REDIS_URL: this.redis.url,
      SMTP_URL: this.smtp.url,
      MIGRATE_ON_START: 'false',
      HOST: '127.0.0.1',
      PORT: '0',
      PUBLIC_URL: 'https://imports.example.org',
      LOG_LEVEL: 'log',
      CHUNK_SIZE: '200',
      RECONCILE_INTERVAL_MS: '500',
      BOOTSTRAP_API_KEY: TEST_API_KEY,
      ...this.environment,
      ...environment,
    };
    const started = new ServiceProcess(role, variables, program);
    this.processes.push(started);
    return started;
  }

  /** A client of that process, with an import process to send to. */
  async client(api: ServiceProcess): Promise<ImportClient> {
    const client = new ImportClient(await api.ready());
    if (this.importProcessId === 0) this.importProcessId = await client.setUp();
    return client;
  }

  /** The path and query of CreateBatch. */
  createPath(mails: MailTo = {}): string {
    const query = new URLSearchParams({
      fileName: 'crash.jsonl',
      importProcessId: String(this.importProcessId),
      ...mails,
    });
    return `/API/WorkflowImportQueue/CreateBatch?${query}`;
  }

  /** Sends new members and notes the batch as accepted. */
  async send(client: ImportClient, body: Body | number, mails: MailTo = {}): Promise<Accepted> {
    const sent = typeof body === 'number' ? newMembers(body) : body;
    const answer = await client.post(this.createPath(mails), sent.text, {
      'content-type': 'application/jsonl',
    });
    if (answer.status !== 202) throw new Error(`refused: ${answer.status} ${JSON.stringify(answer.body)}`);
    return this.noteAccepted(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, sent, mails);
  }

  noteAccepted(id: number, { total, invalid, created, updated }: Body, mails: MailTo = {}): Accepted {
    const wanted = invalid === 0 ? mails.sendSuccessEmailTo : mails.sendFailureEmailTo;
    const accepted = { id, total, invalid, created, updated, mails: wanted === undefined ? 0 : 1 };
    this.accepted.push(accepted);
    return accepted;
  }

  /** Waits until every accepted batch has ended, and answers what is wrong with the database. */
  async problems(boundMs = 60_000): Promise<string[]> {
    await this.observer.allEnded(this.accepted, boundMs);
    return this.observer.problems(this.accepted);
  }

  /** Ends everything; what still runs is killed. */
  async close(): Promise<void> {
    await Promise.all(this.processes.map((each) => each.kill()));
    await this.observer.end();
    await Promise.all([this.redis.stop(), this.smtp.down(), this.pooler?.stop()]);
    await this.database.drop();
  }
}
