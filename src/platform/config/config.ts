import { type DynamicModule, Global, Module } from '@nestjs/common';

export const ROLES = ['all', 'api', 'worker'] as const;
export type Role = (typeof ROLES)[number];

export const LOG_LEVELS = ['error', 'warn', 'log', 'debug', 'verbose'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Everything the process takes from its environment, validated and frozen. `load-config.ts` is the only
 * reader of `process.env`; every other file is given this object (injection token: the class itself).
 */
export class AppConfig {
  /** Address and port the HTTP server listens on; port 0 lets the system choose. */
  readonly host: string;
  readonly port: number;
  /** Absolute base of the links in answers and mails, without a trailing slash. */
  readonly publicUrl: string;
  readonly role: Role;
  readonly logLevel: LogLevel;
  /** Where the embedded servers keep their files. */
  readonly dataDir: string;
  /** Where workflows and import processes are kept as files, loaded at start. */
  readonly definitionsDir: string | undefined;

  /** `undefined` asks for the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly databasePoolSize: number;
  readonly migrateOnStart: boolean;
  /** How long a session may sit in an open transaction before PostgreSQL ends it, in milliseconds. */
  readonly databaseIdleTransactionMs: number;
  /** `undefined` asks for the embedded Redis. */
  readonly redisUrl: string | undefined;
  /** Prefix of every Redis key of ours, so that several installations can share one Redis. */
  readonly queuePrefix: string;
  /** `undefined`: mails are kept as `not_sent_no_smtp` and readable in the UI. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string;
  /** The domains that mail may go to, as `example.org` or `*.example.org`; `undefined`: any. */
  readonly mailRecipientDomains: readonly string[] | undefined;
  /** Mails about batches of one key or user that are sent within an hour; 0: no limit. */
  readonly mailsPerKeyPerHour: number;

  /** Whether webhooks may go to private, loopback and link-local addresses. */
  readonly allowPrivateTargets: boolean;

  /** Chunks one worker process handles at a time. */
  readonly workerConcurrency: number;
  /** Records per chunk. */
  readonly chunkSize: number;
  /** Chunks of one batch that may be queued or running at a time: what makes batches take turns. */
  readonly chunkWindow: number;
  /** How often the reconciler compares PostgreSQL with the queue, in milliseconds. */
  readonly reconcileIntervalMs: number;

  /** Decoded bytes of one request body. */
  readonly maxBodyBytes: number;
  readonly maxLineBytes: number;
  readonly maxRecords: number;
  /** Decoded bytes per byte received, beyond the first MiB. */
  readonly maxDecompressionRatio: number;
  /** A body of which nothing arrives for so long, in milliseconds, is refused; 0: waited for. */
  readonly receiveIdleMs: number;
  /** The least a body must arrive at, over the time we waited for it; 0: any rate. */
  readonly minBodyBytesPerSecond: number;

  /** Bodies this process receives at a time. */
  readonly maxOpenUploads: number;
  /** How long a call waits for its turn to be received, in milliseconds. */
  readonly admissionWaitMs: number;
  /** Batches that have not ended, over the whole installation; 0: any number. */
  readonly maxWaitingBatches: number;
  /** Calls that make a batch, per key and minute, in this process; 0: any number. */
  readonly createRatePerMinute: number;

  /** Days for which the records of ended batches are kept, unless the import process says otherwise; 0: for ever. */
  readonly retentionDays: number;
  /** Hours after which an upload that no one confirmed is abandoned; 0: never. */
  readonly unconfirmedHours: number;
  /** How often what is past its retention is deleted, in milliseconds. */
  readonly retentionIntervalMs: number;
  readonly idempotencyKeyHours: number;

  readonly bootstrapApiKey: string | undefined;
  /** Proxies, besides those on this machine, whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly string[];
  readonly bootstrapAdminEmail: string | undefined;
  readonly bootstrapAdminPassword: string | undefined;
  readonly sessionSecret: string | undefined;

  /** For tests only: where this process is to die or freeze, see `common/fault-point.ts`. */
  readonly faultPoints: string | undefined;
}

/** Makes the configuration injectable everywhere: `constructor(private readonly config: AppConfig)`. */
@Global()
@Module({})
export class ConfigModule {
  static with(config: AppConfig): DynamicModule {
    return {
      module: ConfigModule,
      providers: [{ provide: AppConfig, useValue: config }],
      exports: [AppConfig],
    };
  }
}
