import { isIP } from 'node:net';
import { Transform } from 'class-transformer';
import {
  getMetadataStorage,
  IsBoolean,
  isEmail,
  IsEmail,
  IsIn,
  IsInt,
  IsOptional,
  IsUrl,
  Matches,
  Max,
  Min,
  MinLength,
  ValidateBy,
} from 'class-validator';
import { FAULT_POINTS, FAULTS_PATTERN } from '../instrumentation.js';
import { parseSecretKeys } from '../secret-box.js';
import {
  type GroupRole,
  LOG_LEVELS,
  type LogLevel,
  readRedisUrl,
  REDIS_URL_FORMS,
  type Role,
  ROLES,
} from './config.js';

/**
 * An address, or a name and an address in angle brackets. A comma outside quotes would separate two senders. A dot may
 * stand in a name without quotes, although `@IsEmail` refuses it: people write "Example Inc.", and mailers quote it.
 */
const MAILBOX =
  /^(?:(?:"(?:[^"\\\r\n]|\\[^\r\n])*" *|[^",:;<>@\r\n]*)<(?<bracketed>[^<>]+)>|(?<bare>[^<>]+))$/;

/** One address, with or without a display name. */
function IsMailbox(): PropertyDecorator {
  return ValidateBy({
    name: 'isMailbox',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isMailbox(value),
      defaultMessage: () =>
        '$property must be one address, or Name <address> (a name with a comma, a colon or an @ in double quotes)',
    },
  });
}

function isMailbox(text: string): boolean {
  const { bracketed, bare } = MAILBOX.exec(text)?.groups ?? {};
  return isEmail(bracketed ?? bare, { require_tld: false, allow_ip_domain: true, allow_underscores: true });
}

interface ServerUrlForm {
  /** As in the URL, with the colon. */
  protocols: readonly string[];
  example: string;
  /** If omitted, any path. */
  path?: RegExp;
  /** Whether the host may be missing, for servers that also listen on a socket. */
  hostOptional?: boolean;
}

/**
 * A URL of a server, read by Node's own parser because the clients use the same one: a URL that it refuses here would
 * later fail with a stack trace in a client. `@IsUrl` supports neither sockets nor passwords with a colon in them.
 */
function IsServerUrl(form: ServerUrlForm): PropertyDecorator {
  return ValidateBy({
    name: 'isServerUrl',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isServerUrl(value, form),
      defaultMessage: () =>
        `$property must look like ${form.example}, with special characters of the password percent-encoded`,
    },
  });
}

export function isServerUrl(
  text: string,
  { protocols, path = /^/, hostOptional = false }: ServerUrlForm,
): boolean {
  // pg accepts user@/database?host=/a/socket, which is not a URL, and reads it like this.
  const readable = hostOptional ? text.replace('@/', '@localhost/') : text;
  if (!URL.canParse(readable)) return false;
  const url = new URL(readable);
  return (
    protocols.includes(url.protocol) &&
    (hostOptional ? readable.includes('://') : url.hostname !== '') &&
    url.port !== '0' &&
    path.test(url.pathname) &&
    [url.username, url.password, url.hostname].every(isPercentEncoded)
  );
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const Integer = () =>
  Transform(({ value }) => (/^\s*\d+\s*$/.test(String(value)) ? Number(value) : value) as unknown);
const Flag = () =>
  Transform(
    ({ value }) =>
      ({ true: true, '1': true, on: true, false: false, '0': false, off: false })[
        String(value).toLowerCase()
      ] ?? (value as unknown),
  );

const NAMED_NETWORKS: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** An address, a network in CIDR notation, or one of Express's names. */
function isNetwork(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return NAMED_NETWORKS.has(text) || (family !== 0 && Number(bits) <= (family === 4 ? 32 : 128));
}

/** As browsers write it in the header Origin. */
function isOrigin(text: string): boolean {
  return text === '*' || (URL.canParse(text) && /^https?:/.test(text) && new URL(text).origin === text);
}

/** https, because the tokens in its answers are credentials; http only where nothing leaves this machine. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, search, hash } = new URL(text);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  return (protocol === 'https:' || (protocol === 'http:' && local)) && username + search + hash === '';
}

/** A group of the identity provider and the role that it gives. A group may contain an equals sign. */
const GROUP_ROLE = /^(?<group>.+)=(?<role>administrator|operator|viewer)$/;

const List = () =>
  Transform(({ value }) =>
    String(value)
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );

/**
 * Routes and ids are appended to this URL. A query or a fragment would swallow them, and a password would be sent to
 * every reader.
 */
const BASE_URL = {
  protocols: ['http', 'https'],
  require_protocol: true,
  require_tld: false,
  allow_query_components: false,
  allow_fragments: false,
  disallow_auth: true,
};

/** The environment contract: one property per variable, named as in the environment. */
export class EnvironmentVariables {
  @IsOptional() @Matches(/^[\w.:-]+$/) HOST: string = '127.0.0.1';
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(65535) PORT: number = 3000;
  @IsOptional()
  @IsUrl(BASE_URL, {
    message: 'PUBLIC_URL must look like https://imports.example.org/base, without user, query and fragment',
  })
  PUBLIC_URL?: string;
  @IsOptional()
  @List()
  @ValidateBy({
    name: 'isNetworks',
    validator: {
      validate: (value: unknown) => Array.isArray(value) && value.every((item) => isNetwork(String(item))),
      defaultMessage: () =>
        'TRUSTED_PROXIES must be addresses, networks like 10.0.0.0/8, or loopback, linklocal, uniquelocal, separated by commas',
    },
  })
  TRUSTED_PROXIES: string[] = [];
  @IsOptional()
  @List()
  @ValidateBy({
    name: 'isOrigins',
    validator: {
      validate: (value: unknown) => Array.isArray(value) && value.every((item) => isOrigin(String(item))),
      defaultMessage: () =>
        'CORS_ORIGINS must be origins like https://app.example.org, without a path, separated by commas, or *',
    },
  })
  CORS_ORIGINS: string[] = [];
  @IsOptional() @IsIn(ROLES) ROLE: Role = 'all';
  @IsOptional() @IsIn(LOG_LEVELS) LOG_LEVEL: LogLevel = 'log';
  @IsOptional() @MinLength(1) DATA_DIR: string = '.data';
  @IsOptional() @MinLength(1) DEFINITIONS_DIR?: string;

  @IsOptional()
  @IsServerUrl({
    protocols: ['postgres:', 'postgresql:'],
    example: 'postgres://user:password@host:5432/database',
    hostOptional: true,
  })
  DATABASE_URL?: string;
  @IsOptional()
  @IsServerUrl({
    protocols: ['postgres:', 'postgresql:'],
    example: 'postgres://audit:password@host:5432/database',
    hostOptional: true,
  })
  AUDIT_DATABASE_URL?: string;
  @IsOptional()
  @IsServerUrl({
    protocols: ['postgres:', 'postgresql:'],
    example: 'postgres://user:password@replica:5432/database',
    hostOptional: true,
  })
  DATABASE_READ_URL?: string;
  @IsOptional()
  @IsServerUrl({
    protocols: ['postgres:', 'postgresql:'],
    example: 'postgres://migrate:password@host:5432/database',
    hostOptional: true,
  })
  MIGRATION_DATABASE_URL?: string;
  @IsOptional() @Integer() @IsInt() @Min(4) @Max(1000) DATABASE_POOL_SIZE: number = 20;
  @IsOptional() @Flag() @IsBoolean() MIGRATE_ON_START: boolean = true;
  @IsOptional() @Integer() @IsInt() @Min(100) @Max(3_600_000) DATABASE_IDLE_TRANSACTION_MS: number = 60_000;
  @IsOptional()
  @ValidateBy({
    name: 'isRedisUrl',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && readRedisUrl(value) !== null,
      defaultMessage: () =>
        `REDIS_URL must look like ${REDIS_URL_FORMS}, with special characters of the password percent-encoded`,
    },
  })
  REDIS_URL?: string;
  @IsOptional() @Matches(/^(\{[\w-]{1,38}\}|[\w-]{1,40})$/) QUEUE_PREFIX: string = 'wiq';
  @IsOptional()
  @IsServerUrl({ protocols: ['smtp:', 'smtps:'], example: 'smtp://user:password@host:587' })
  SMTP_URL?: string;
  @IsOptional() @IsMailbox() MAIL_FROM: string = 'Workflow Import Queue <imports@localhost>';
  @IsOptional()
  @Matches(/^https:\/\/[^\s"<>]+$/, {
    message: 'MAIL_LOGO_URL must be the https address of an image, as in https://example.org/logo.png',
  })
  MAIL_LOGO_URL?: string;

  @IsOptional()
  @Matches(/^(\*\.)?[\w-]+(\.[\w-]+)*(\s*,\s*(\*\.)?[\w-]+(\.[\w-]+)*)*$/, {
    message:
      'MAIL_RECIPIENT_DOMAINS must be domains with commas in between, as in example.org, *.example.com',
  })
  MAIL_RECIPIENT_DOMAINS?: string;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(1_000_000) MAILS_PER_KEY_PER_HOUR: number = 1000;

  @IsOptional() @Flag() @IsBoolean() ALLOW_PRIVATE_TARGETS: boolean = false;

  @IsOptional() @Integer() @IsInt() @Min(1) @Max(64) WORKER_CONCURRENCY: number = 4;
  @IsOptional() @Integer() @IsInt() @Min(1) @Max(100_000) CHUNK_SIZE: number = 1000;
  @IsOptional() @Integer() @IsInt() @Min(1) @Max(1000) CHUNK_WINDOW: number = 8;
  @IsOptional() @Integer() @IsInt() @Min(100) @Max(600_000) RECONCILE_INTERVAL_MS: number = 5000;

  @IsOptional() @Integer() @IsInt() @Min(1) @Max(1024 ** 4) MAX_BODY_BYTES: number = 2 * 1024 ** 3;
  @IsOptional() @Integer() @IsInt() @Min(1) @Max(256 * 1024 ** 2) MAX_LINE_BYTES: number = 1024 ** 2;
  @IsOptional() @Integer() @IsInt() @Min(1) @Max(100_000_000) MAX_RECORDS: number = 10_000_000;
  @IsOptional() @Integer() @IsInt() @Min(2) @Max(100_000) MAX_DECOMPRESSION_RATIO: number = 100;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(3_600_000) RECEIVE_IDLE_MS: number = 30_000;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(100 * 1024 ** 2) MIN_BODY_BYTES_PER_SECOND: number = 1024;

  @IsOptional() @Integer() @IsInt() @Min(1) @Max(100_000) MAX_OPEN_UPLOADS: number = 100;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(600_000) ADMISSION_WAIT_MS: number = 10_000;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(10_000_000) MAX_WAITING_BATCHES: number = 10_000;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(10_000_000) CREATE_RATE_PER_MINUTE: number = 6000;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(100_000) OPEN_UPLOADS_PER_KEY: number = 500;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(1_000_000_000_000) RECORDS_PER_KEY_PER_DAY: number =
    50_000_000;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(1_000_000) UNCONFIRMED_UPLOADS_PER_KEY: number = 1000;
  @IsOptional() @Integer() @IsInt() @Min(1) @Max(10_000) EVENT_STREAMS_PER_KEY: number = 20;

  @IsOptional() @Integer() @IsInt() @Min(0) @Max(100_000_000) MCP_MAX_ROWS: number = 1000;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(100_000_000) MCP_MAX_UPDATES: number = 100;

  @IsOptional() @Integer() @IsInt() @Min(0) @Max(36_500) RETENTION_DAYS: number = 0;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(876_000) UNCONFIRMED_HOURS: number = 168;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(36_500) AUDIT_RETENTION_DAYS: number = 365;
  @IsOptional() @Integer() @IsInt() @Min(100) @Max(86_400_000) RETENTION_INTERVAL_MS: number = 3_600_000;
  @IsOptional() @Integer() @IsInt() @Min(1) @Max(1_000_000) PARTITION_BATCHES: number = 1000;
  @IsOptional() @Integer() @IsInt() @Min(24) @Max(876_000) IDEMPOTENCY_KEY_HOURS: number = 72;

  @IsOptional()
  @Matches(/^[\x21-\x7e]{16,255}$/, {
    message: 'BOOTSTRAP_API_KEY must be 16 to 255 visible ASCII characters',
  })
  BOOTSTRAP_API_KEY?: string;
  @IsOptional() @IsEmail({ require_tld: false }) BOOTSTRAP_ADMIN_EMAIL?: string;
  @IsOptional() @MinLength(12) BOOTSTRAP_ADMIN_PASSWORD?: string;
  @IsOptional()
  @Matches(/^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+|tel:\+[\d-]+)$/, {
    message: 'SECURITY_CONTACT must begin with mailto:, https:// or tel:, as in mailto:security@example.org',
  })
  SECURITY_CONTACT?: string;
  @IsOptional() @MinLength(16) SESSION_SECRET?: string;
  @IsOptional()
  @ValidateBy({
    name: 'isSecretKeys',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && parseSecretKeys(value) !== null,
      defaultMessage: () =>
        'SECRETS_KEY must be 32 bytes in base64, or several such keys as id:key with commas in between',
    },
  })
  SECRETS_KEY?: string;

  @IsOptional()
  @ValidateBy({
    name: 'isIssuer',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isIssuer(value),
      defaultMessage: () =>
        'OIDC_ISSUER must look like https://id.example.org/realms/main, without user, query and fragment (http only for localhost)',
    },
  })
  OIDC_ISSUER?: string;
  @IsOptional() @MinLength(1) OIDC_CLIENT_ID?: string;
  @IsOptional() @MinLength(1) OIDC_CLIENT_SECRET?: string;
  @IsOptional()
  @Matches(/(^| )openid( |$)/, {
    message: 'OIDC_SCOPES must be words with spaces in between, one of them openid',
  })
  OIDC_SCOPES: string = 'openid profile email';
  @IsOptional() @MinLength(1) OIDC_GROUPS_CLAIM: string = 'groups';
  @IsOptional()
  @List()
  @ValidateBy({
    name: 'isGroupRoles',
    validator: {
      validate: (value: unknown) =>
        Array.isArray(value) && value.length > 0 && value.every((item) => GROUP_ROLE.test(String(item))),
      defaultMessage: () =>
        'OIDC_ROLES must look like import-admins=administrator, import-staff=operator; the roles are administrator, operator and viewer',
    },
  })
  OIDC_ROLES?: string[];
  @IsOptional()
  @Matches(/^[^\p{Cc}]{1,50}$/u, { message: 'OIDC_NAME must have 1 to 50 characters' })
  OIDC_NAME: string = 'single sign-on';
  @IsOptional() @Flag() @IsBoolean() LOCAL_SIGN_IN: boolean = true;
  @IsOptional() @Integer() @IsInt() @Min(0) @Max(10_080) CONFIRM_SIGN_IN_MINUTES: number = 15;

  @IsOptional()
  @Matches(FAULTS_PATTERN, {
    message: `FAULT_POINTS must look like ${FAULT_POINTS[0]}:kill@3; it is for tests only`,
  })
  FAULT_POINTS?: string;
}

/** The names of all variables, taken from the rules above so that none can be forgotten. */
export const VARIABLE_NAMES: readonly string[] = [
  ...new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(EnvironmentVariables, '', true, false)
      .map(({ propertyName }) => propertyName),
  ),
];

export function groupRoles(items: readonly string[]): GroupRole[] {
  return items.flatMap((item) => {
    const { group, role } = GROUP_ROLE.exec(item)?.groups ?? {};
    return group === undefined ? [] : [{ group: group.trim(), role: role as GroupRole['role'] }];
  });
}
