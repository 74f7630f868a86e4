import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Role } from '../../src/platform/config/config.js';
import { Observer } from '../crash/support/observer.js';
import { ServiceProcess } from '../crash/support/service-process.js';
import { PrivateRedis } from '../support/private-redis.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { TEST_API_KEY } from '../support/test-app.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { PostgresPair } from './postgres-pair.js';

const DOCTOR = join(__dirname, '../../dist/operations/doctor/main.js');

/** One place for a process, which is filled again whenever its process ends. */
export class Slot {
  process: ServiceProcess;
  /** Frozen, or about to end. */
  busy = false;

  constructor(
    private readonly start: () => ServiceProcess,
    readonly role: Role,
  ) {
    this.process = start();
  }

  restart(): void {
    this.process = this.start();
  }
}

/** Five processes that start together on a busy machine take their time. */
const STARTS_WITHIN_MS = 300_000;

const ROLES: readonly Role[] = ['api', 'api', 'worker', 'worker', 'worker'];

/** Servers of its own, and processes of the built program that reach PostgreSQL through a proxy. */
export class Installation {
  readonly slots: Slot[];

  private constructor(
    private readonly postgres: PostgresPair,
    readonly proxy: TcpProxy,
    readonly redis: PrivateRedis,
    readonly smtp: SmtpSink,
    readonly webhooks: WebhookReceiver,
  ) {
    this.slots = ROLES.map((role) => new Slot(() => this.start(role), role));
  }

  static async open(): Promise<Installation> {
    const postgres = await PostgresPair.open();
    await (await Observer.watch(postgres.url)).end();
    return new Installation(
      postgres,
      await startTcpProxy(postgres.url),
      await PrivateRedis.start(),
      await SmtpSink.start(),
      await WebhookReceiver.start(),
    );
  }

  private start(role: Role): ServiceProcess {
    return new ServiceProcess(role, {
      DATABASE_URL: this.proxy.url,
      DATABASE_POOL_SIZE: '8',
      DATABASE_IDLE_TRANSACTION_MS: '5000',
      REDIS_URL: this.redis.url,
      SMTP_URL: this.smtp.url,
      MIGRATE_ON_START: 'false',
      HOST: '127.0.0.1',
      PORT: '0',
      PUBLIC_URL: 'https://imports.example.org',
      LOG_LEVEL: 'log',
      CHUNK_SIZE: '200',
      RECONCILE_INTERVAL_MS: '500',
      ALLOW_PRIVATE_TARGETS: 'true',
      MAILS_PER_KEY_PER_HOUR: '1000000',
      BOOTSTRAP_API_KEY: TEST_API_KEY,
    });
  }

  /** Looks at the database without the proxy. */
  observe(): Promise<Observer> {
    return Observer.connect(this.postgres.url);
  }

  /** The URL of an API process that listens and is not frozen. */
  apiUrl(random: () => number): string | undefined {
    const urls = this.slots
      .filter(({ role, busy, process }) => role === 'api' && !busy && process.alive)
      .flatMap(({ process }) => process.listensAt ?? []);
    return urls[Math.floor(random() * urls.length)];
  }

  /** PostgreSQL ends at once, with every session, and recovers. */
  crashPostgres(): Promise<void> {
    return this.postgres.crash();
  }

  /**
   * The primary is killed once nothing that was committed would be lost, and the standby takes its place.
   * @param begun awaited before the blow, which then falls on what the program is doing
   */
  async failOver(begun: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.postgres.canFailOver();
    await begun();
    await this.postgres.failOver();
    this.proxy.leadTo(this.postgres.url);
    this.proxy.cut();
    this.proxy.restore();
    await this.postgres.addStandby();
  }

  /** What `npm run doctor` says when it does not find that all is well. */
  async doctor(): Promise<string[]> {
    const env = { PATH: process.env.PATH, DATABASE_URL: this.postgres.url };
    try {
      await promisify(execFile)(process.execPath, [DOCTOR], { env, cwd: tmpdir() });
      return [];
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return [`doctor: ${stdout}${stderr}`];
    }
  }

  /** Ends every process by force and starts each again, on servers that work. */
  async startAfresh(): Promise<void> {
    this.proxy.restore();
    await Promise.all(this.slots.map(({ process }) => process.kill()));
    for (const slot of this.slots) slot.restart();
    await this.ready();
  }

  /** Waits until every process may be sent work. */
  async ready(): Promise<void> {
    await Promise.all(this.slots.map(({ process }) => process.ready(STARTS_WITHIN_MS)));
  }

  /** Starts each process again that ended although nothing struck it, and returns what those said that had begun. */
  replaceEnded(): string[] {
    const ended = this.slots.filter(({ busy, process }) => !busy && !process.alive);
    const said = ended.flatMap(({ role, process }) =>
      process.listensAt === undefined ? [] : [`${role} ended by itself: ${process.output.slice(-1_000)}`],
    );
    for (const slot of ended) slot.restart();
    return said;
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map(({ process }) => process.kill()));
    await this.proxy.close();
    await Promise.all([this.redis.stop(), this.smtp.down(), this.webhooks.stop(), this.postgres.close()]);
  }
}
