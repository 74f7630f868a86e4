import { type DynamicModule, Global, Module } from '@nestjs/common';
import { SecretBox, type SecretKey } from '../secret-box.js';

export const ROLES = ['all', 'api', 'worker'] as const;
export type Role = (typeof ROLES)[number];

export const LOG_LEVELS = ['error', 'warn', 'log', 'debug', 'verbose'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whoever is in the group at the identity provider gets the role. */
export interface GroupRole {
  group: string;
  role: 'administrator' | 'operator' | 'viewer';
}

/** The identity provider that users sign in with. */
export interface OidcConfig {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** Separated by spaces; `openid` is one of them. */
  scopes: string;
  /** The claim that lists the groups of the user. */
  groupsClaim: string;
  roles: readonly GroupRole[];
  /** What users call the provider. */
  name: string;
}

/** A database whose tables the `table` target may fill. */
export interface TableConnectionConfig {
  /** `undefined`: the application's own database. */
  url: string | undefined;
  /** Only tables of these schemas can be chosen. */
  schemas: readonly string[];
}

/**
 * All settings that the process takes from its environment, validated and frozen. Only `config-loader.ts` reads
 * `process.env`; every other file receives this object (injection token: the class itself).
 */
export class AppConfig {
  /** Address and port the HTTP server listens on; port 0 lets the system choose. */
  readonly host: string;
  readonly port: number;
  /** Absolute base URL of the links in answers and mails, without a trailing slash. */
  readonly publicUrl: string;
  readonly role: Role;
  readonly logLevel: LogLevel;
  /** Where the embedded servers keep their files. */
  readonly dataDir: string;
  /** The folder with workflows and import processes as files, which are loaded at start. */
  readonly definitionsDir: string | undefined;

  /** `undefined` selects the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  /** The role that may delete and change audit events; `undefined`: the role of `databaseUrl`. */
  readonly auditDatabaseUrl: string | undefined;
  /** A replica that answers requests which only read; `undefined`: the database of `databaseUrl` answers them. */
  readonly databaseReadUrl: string | undefined;
  /** Where migrations run, for example past a pooler; `undefined`: `databaseUrl`. */
  readonly migrationDatabaseUrl: string | undefined;
  readonly databasePoolSize: number;
  readonly migrateOnStart: boolean;
  /** How long a session may sit in an open transaction before PostgreSQL ends it, in milliseconds. */
  readonly databaseIdleTransactionMs: number;
  /** `undefined` selects the embedded Redis. */
  readonly redisUrl: string | undefined;
  /**
   * Prefix of all our Redis keys. The application adds the id of its database, so that several installations can share
   * one Redis.
   */
  readonly queuePrefix: string;
  /** `undefined`: mails are stored as `not_sent_no_smtp` and readable in the UI. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string;
  /** An image at the head of mails about imports. */
  readonly mailLogoUrl: string | undefined;
  /** The domains that mail may go to, as `example.org` or `*.example.org`; `undefined`: any. */
  readonly mailRecipientDomains: readonly string[] | undefined;
  /** The most mails per hour about batches of one key or user; 0: no limit. */
  readonly mailsPerKeyPerHour: number;

  /** Connections of the `table` target by name; `main` is the application's own database. */
  readonly tableConnections: ReadonlyMap<string, TableConnectionConfig>;

  /** Whether webhooks may go to private, loopback and link-local addresses. */
  readonly allowPrivateTargets: boolean;

  /** The most chunks that one worker process handles at a time. */
  readonly workerConcurrency: number;
  /** Records per chunk. */
  readonly chunkSize: number;
  /** The most chunks of one batch that are queued or running at a time. This limit makes batches take turns. */
  readonly chunkWindow: number;
  /** How often the reconciler compares PostgreSQL with the queue, in milliseconds. */
  readonly reconcileIntervalMs: number;

  /** The most decoded bytes of one request body. */
  readonly maxBodyBytes: number;
  readonly maxLineBytes: number;
  readonly maxRecords: number;
  /** The most decoded bytes per byte received, beyond the first MiB. */
  readonly maxDecompressionRatio: number;
  /** A body that sends nothing for this long, in milliseconds, is refused; 0: no limit. */
  readonly receiveIdleMs: number;
  /** The lowest accepted rate of a body, measured over the time the process waited for it; 0: any rate. */
  readonly minBodyBytesPerSecond: number;

  /** The most bodies that this process receives at a time. */
  readonly maxOpenUploads: number;
  /** How long a call may wait in line before its body is received, in milliseconds. */
  readonly admissionWaitMs: number;
  /** The most batches that have not ended, over the whole installation; 0: no limit. */
  readonly maxWaitingBatches: number;
  /** The most calls per minute that create a batch, per key, over all processes; 0: no limit. */
  readonly createRatePerMinute: number;
  /** The most bodies of one key that all processes receive at a time; 0: no limit. */
  readonly openUploadsPerKey: number;
  /** The most records that one key sends within a day; 0: no limit. */
  readonly recordsPerKeyPerDay: number;
  /** The most uploads of one key that await confirmation; 0: no limit. */
  readonly unconfirmedUploadsPerKey: number;
  /** The most rows of a plan that an assistant may apply without a person; 0: none. */
  readonly mcpMaxRows: number;
  /** The most updates of a plan that an assistant may apply without a person; 0: none. */
  readonly mcpMaxUpdates: number;
  /** The most event streams of one key, over all processes. */
  readonly eventStreamsPerKey: number;

  /**
   * How many days the records of ended batches are kept, unless the import process sets its own number; 0: no limit.
   */
  readonly retentionDays: number;
  /** Hours after which an unconfirmed upload is abandoned; 0: never. */
  readonly unconfirmedHours: number;
  /** How many days audit events are kept; 0: no limit. */
  readonly auditRetentionDays: number;
  /** How often data past its retention is deleted, in milliseconds. */
  readonly retentionIntervalMs: number;
  /** Batch ids per partition of the records, for partitions that are created from now on. */
  readonly partitionBatches: number;
  readonly idempotencyKeyHours: number;

  readonly bootstrapApiKey: string | undefined;
  /** Proxies, besides those on this machine, whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly string[];
  /** Origins whose pages may call the API with a key. */
  readonly corsOrigins: readonly string[];
  readonly bootstrapAdminEmail: string | undefined;
  readonly bootstrapAdminPassword: string | undefined;
  /** Where vulnerabilities of this installation are reported, as a URI. */
  readonly securityContact: string | undefined;
  readonly sessionSecret: string | undefined;
  /** `undefined`: no identity provider. */
  readonly oidc: OidcConfig | undefined;
  /** Whether users sign in with a password that is stored here. */
  readonly localSignIn: boolean;
  /** A change of users or keys needs a sign-in, or its confirmation, within this many minutes; 0: it does not. */
  readonly confirmSignInMinutes: number;
  /** Keys of stored secrets, the one to encrypt with first; empty: secrets are stored in clear. */
  readonly secretKeys: readonly SecretKey[];

  /** For tests only: where this process dies or freezes, see `platform/instrumentation.ts`. */
  readonly faultPoints: string | undefined;
}

/** Makes the configuration injectable everywhere: `constructor(private readonly config: AppConfig)`. */
@Global()
@Module({})
export class ConfigModule {
  static with(config: AppConfig): DynamicModule {
    return {
      module: ConfigModule,
      providers: [
        { provide: AppConfig, useValue: config },
        { provide: SecretBox, useValue: new SecretBox(config.secretKeys) },
      ],
      exports: [AppConfig, SecretBox],
    };
  }
}

/** Where Redis is, as REDIS_URL says. */
export interface RedisServers {
  /** `sentinel`: the nodes are Sentinels, which know the master; `cluster`: the nodes are some of the cluster's. */
  kind: 'single' | 'sentinel' | 'cluster';
  nodes: readonly { host: string; port: number }[];
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  /** The number of the database; 0 unless the URL names another one. */
  database: number;
  /** The name under which the Sentinels know the master; empty without Sentinels. */
  master: string;
  sentinelPassword: string | undefined;
}

export const REDIS_URL_FORMS =
  'redis://:password@host:6379/0, redis+sentinel://:password@host1,host2,host3/master or redis+cluster://:password@host1,host2';

const FORM =
  /^redis(?<tls>s?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/@?#]+)(?<path>\/[^?#]*)?(?:\?sentinelPassword=(?<sentinelPassword>[^&#]+))?$/;
const HOST = /^(?:\[(?<ipv6>[\da-fA-F:.]+)\]|(?<name>[\w.-]+))(?::(?<port>\d{1,5}))?$/;
const PATHS = {
  single: /^\/?(?<database>\d{0,9})$/,
  sentinel: /^\/(?<master>[\w.-]+)(?:\/(?<database>\d{1,9}))?$/,
  cluster: /^\/?$/,
};
const DEFAULT_PORTS = { single: 6379, sentinel: 26379, cluster: 6379 };

/** Reads REDIS_URL, of which `URL` understands only the form with one host; `null` if it has none of the forms. */
export function readRedisUrl(url: string): RedisServers | null {
  const given = FORM.exec(url)?.groups;
  if (given === undefined) return null;
  const kind = (given.kind ?? 'single') as RedisServers['kind'];
  const path = PATHS[kind].exec(given.path ?? '')?.groups;
  const nodes = (given.hosts ?? '').split(',').map((host) => readNode(host, DEFAULT_PORTS[kind]));
  if (path === undefined && kind !== 'cluster') return null;
  if (kind === 'cluster' && !PATHS.cluster.test(given.path ?? '')) return null;
  if (kind === 'single' && nodes.length > 1) return null;
  if (given.sentinelPassword !== undefined && kind !== 'sentinel') return null;
  if (!nodes.every((node) => node !== null)) return null;
  try {
    return {
      kind,
      nodes,
      tls: given.tls === 's',
      username: decoded(given.user),
      password: decoded(given.password),
      database: Number(path?.database ?? 0),
      master: path?.master ?? '',
      sentinelPassword: decoded(given.sentinelPassword),
    };
  } catch {
    // Not percent-encoded.
    return null;
  }
}

function readNode(text: string, defaultPort: number): { host: string; port: number } | null {
  const found = HOST.exec(text)?.groups;
  if (found === undefined) return null;
  const port = found.port === undefined ? defaultPort : Number(found.port);
  return port < 1 || port > 65_535 ? null : { host: found.ipv6 ?? found.name ?? '', port };
}

const decoded = (text: string | undefined) => (text ? decodeURIComponent(text) : undefined);
