import 'reflect-metadata';
import { existsSync, readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { StartError } from '../errors.js';
import { derivedSecretKey, parseSecretKeys, type SecretKey } from '../secret-box.js';
import { AppConfig, type OidcConfig, readRedisUrl, type TableConnectionConfig } from './config.js';
import { EnvironmentVariables, groupRoles, isServerUrl, VARIABLE_NAMES } from './environment-variables.js';

const HOW_TO_GET_SERVERS = 'To try the product without servers of your own, run `npm run quickstart`.';

/** The environment is not a valid configuration; the message has one line per bad variable. */
export class ConfigurationError extends StartError {
  override readonly name = 'ConfigurationError';

  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** Variables that may also be given as `X_FILE=/path`, the way container platforms pass secrets. */
const SECRETS = [
  'DATABASE_URL',
  'AUDIT_DATABASE_URL',
  'DATABASE_READ_URL',
  'MIGRATION_DATABASE_URL',
  'REDIS_URL',
  'SMTP_URL',
  'BOOTSTRAP_API_KEY',
  'BOOTSTRAP_ADMIN_PASSWORD',
  'SESSION_SECRET',
  'OIDC_CLIENT_SECRET',
  'SECRETS_KEY',
] as const;

/** An identity provider needs all of them. */
const OIDC = ['OIDC_ISSUER', 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET', 'OIDC_ROLES'] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Creates the configuration from the environment. An empty variable counts as unset. Without an argument, it reads the
 * environment of the process, which takes precedence over a `.env` file in the working directory.
 * @throws ConfigurationError that names all bad variables at once.
 */
export function loadConfig(environment: Environment = processEnvironment()): AppConfig {
  return configOf(environment, false);
}

/** A configuration that names both servers, as the service needs it. */
export type ServiceConfig = AppConfig & { databaseUrl: string; redisUrl: string };

/**
 * The configuration of the service itself, which never starts servers: DATABASE_URL and REDIS_URL must be set.
 * @throws ConfigurationError that names all bad or missing variables at once.
 */
export function loadServiceConfig(environment: Environment = processEnvironment()): ServiceConfig {
  return configOf(environment, true) as ServiceConfig;
}

function configOf(environment: Environment, serversRequired: boolean): AppConfig {
  const problems: string[] = [];
  const given = withSecretFiles(environment, problems);
  const variables = plainToInstance(EnvironmentVariables, given, { exposeDefaultValues: true });
  for (const { property, constraints } of validateSync(variables, { whitelist: false })) {
    problems.push(...Object.values(constraints ?? {}).map((sentence) => nameVariable(property, sentence)));
  }
  if ((given.BOOTSTRAP_ADMIN_EMAIL === undefined) !== (given.BOOTSTRAP_ADMIN_PASSWORD === undefined)) {
    problems.push('BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD must be set together');
  }
  const missing = OIDC.filter((name) => given[name] === undefined);
  if (missing.length > 0 && missing.length < OIDC.length) {
    problems.push(`${OIDC.join(', ')} must be set together; missing: ${missing.join(', ')}`);
  }
  if (!variables.LOCAL_SIGN_IN && missing.length > 0) {
    problems.push('LOCAL_SIGN_IN must be true unless OIDC_ISSUER is set: no one could sign in');
  }
  if (serversRequired || variables.ROLE !== 'all') {
    for (const name of ['DATABASE_URL', 'REDIS_URL'] as const) {
      if (given[name] === undefined) problems.push(`${name} must be set. ${HOW_TO_GET_SERVERS}`);
    }
  }
  const tableConnections = readTableConnections(environment, problems);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return toConfig(variables, tableConnections);
}

/**
 * The configuration of the process, with our own defaults for unset variables.
 * @throws ConfigurationError that names all bad variables at once.
 */
export function loadConfigWithDefaults(defaults: Environment): AppConfig {
  const environment = processEnvironment();
  const unset = Object.entries(defaults).filter(
    ([name]) => !environment[name] && !environment[`${name}_FILE`],
  );
  return loadConfig({ ...environment, ...Object.fromEntries(unset) });
}

/** The environment of the process, and of a `.env` file. */
export function processEnvironment(): Environment {
  // Variables that are already set win: Node does not overwrite them.
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

function withSecretFiles(environment: Environment, problems: string[]): Record<string, string> {
  const given: Record<string, string> = {};
  for (const name of VARIABLE_NAMES) {
    const value = environment[name];
    if (value !== undefined && value !== '') given[name] = value;
  }
  for (const name of SECRETS) {
    const path = environment[`${name}_FILE`];
    if (path === undefined || path === '') continue;
    if (given[name] !== undefined) {
      problems.push(`${name} and ${name}_FILE must not be set together`);
      continue;
    }
    try {
      given[name] = readFileSync(path, 'utf8').trim();
    } catch (error) {
      problems.push(`${name}_FILE cannot be read: ${(error as Error).message}`);
    }
  }
  return given;
}

function nameVariable(name: string, sentence: string): string {
  return sentence.startsWith(name) ? sentence : `${name}: ${sentence}`;
}

/**
 * In a cluster, the keys of one command must lie on one node, which those with the same text in braces do. All queues then
 * lie on one node: they hold only ids.
 */
function queuePrefix({ QUEUE_PREFIX: prefix, REDIS_URL: url = '' }: EnvironmentVariables): string {
  return readRedisUrl(url)?.kind === 'cluster' && !prefix.startsWith('{') ? `{${prefix}}` : prefix;
}

function toConfig(env: EnvironmentVariables, tableConnections: AppConfig['tableConnections']): AppConfig {
  return Object.freeze<AppConfig>({
    host: env.HOST,
    port: env.PORT,
    publicUrl: (env.PUBLIC_URL ?? `http://localhost:${env.PORT}`).replace(/\/+$/, ''),
    role: env.ROLE,
    logLevel: env.LOG_LEVEL,
    dataDir: env.DATA_DIR,
    definitionsDir: env.DEFINITIONS_DIR,
    databaseUrl: env.DATABASE_URL,
    auditDatabaseUrl: env.AUDIT_DATABASE_URL,
    databaseReadUrl: env.DATABASE_READ_URL,
    migrationDatabaseUrl: env.MIGRATION_DATABASE_URL,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    migrateOnStart: env.MIGRATE_ON_START,
    databaseIdleTransactionMs: env.DATABASE_IDLE_TRANSACTION_MS,
    redisUrl: env.REDIS_URL,
    queuePrefix: queuePrefix(env),
    smtpUrl: env.SMTP_URL,
    mailFrom: env.MAIL_FROM,
    mailLogoUrl: env.MAIL_LOGO_URL,
    mailRecipientDomains: env.MAIL_RECIPIENT_DOMAINS?.toLowerCase().split(/\s*,\s*/),
    mailsPerKeyPerHour: env.MAILS_PER_KEY_PER_HOUR,
    tableConnections,
    allowPrivateTargets: env.ALLOW_PRIVATE_TARGETS,
    workerConcurrency: env.WORKER_CONCURRENCY,
    chunkSize: env.CHUNK_SIZE,
    chunkWindow: env.CHUNK_WINDOW,
    reconcileIntervalMs: env.RECONCILE_INTERVAL_MS,
    maxBodyBytes: env.MAX_BODY_BYTES,
    maxLineBytes: env.MAX_LINE_BYTES,
    maxRecords: env.MAX_RECORDS,
    maxDecompressionRatio: env.MAX_DECOMPRESSION_RATIO,
    receiveIdleMs: env.RECEIVE_IDLE_MS,
    minBodyBytesPerSecond: env.MIN_BODY_BYTES_PER_SECOND,
    maxOpenUploads: env.MAX_OPEN_UPLOADS,
    admissionWaitMs: env.ADMISSION_WAIT_MS,
    maxWaitingBatches: env.MAX_WAITING_BATCHES,
    createRatePerMinute: env.CREATE_RATE_PER_MINUTE,
    openUploadsPerKey: env.OPEN_UPLOADS_PER_KEY,
    recordsPerKeyPerDay: env.RECORDS_PER_KEY_PER_DAY,
    unconfirmedUploadsPerKey: env.UNCONFIRMED_UPLOADS_PER_KEY,
    mcpMaxRows: env.MCP_MAX_ROWS,
    mcpMaxUpdates: env.MCP_MAX_UPDATES,
    eventStreamsPerKey: env.EVENT_STREAMS_PER_KEY,
    retentionDays: env.RETENTION_DAYS,
    unconfirmedHours: env.UNCONFIRMED_HOURS,
    auditRetentionDays: env.AUDIT_RETENTION_DAYS,
    retentionIntervalMs: env.RETENTION_INTERVAL_MS,
    partitionBatches: env.PARTITION_BATCHES,
    idempotencyKeyHours: env.IDEMPOTENCY_KEY_HOURS,
    bootstrapApiKey: env.BOOTSTRAP_API_KEY,
    trustedProxies: env.TRUSTED_PROXIES,
    corsOrigins: env.CORS_ORIGINS,
    bootstrapAdminEmail: env.BOOTSTRAP_ADMIN_EMAIL,
    bootstrapAdminPassword: env.BOOTSTRAP_ADMIN_PASSWORD,
    securityContact: env.SECURITY_CONTACT,
    sessionSecret: env.SESSION_SECRET,
    oidc: oidcConfig(env),
    localSignIn: env.LOCAL_SIGN_IN,
    confirmSignInMinutes: env.CONFIRM_SIGN_IN_MINUTES,
    secretKeys: secretKeysOf(env),
    faultPoints: env.FAULT_POINTS,
  });
}

function oidcConfig(env: EnvironmentVariables): OidcConfig | undefined {
  const { OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_ROLES } = env;
  if (!OIDC_ISSUER || !OIDC_CLIENT_ID || !OIDC_CLIENT_SECRET || !OIDC_ROLES) return undefined;
  return {
    issuer: OIDC_ISSUER,
    clientId: OIDC_CLIENT_ID,
    clientSecret: OIDC_CLIENT_SECRET,
    scopes: env.OIDC_SCOPES,
    groupsClaim: env.OIDC_GROUPS_CLAIM,
    roles: groupRoles(OIDC_ROLES),
    name: env.OIDC_NAME,
  };
}

/** The key of SESSION_SECRET stays readable, so that SECRETS_KEY can be set later. */
function secretKeysOf({ SECRETS_KEY, SESSION_SECRET }: EnvironmentVariables): SecretKey[] {
  const given = SECRETS_KEY === undefined ? [] : (parseSecretKeys(SECRETS_KEY) ?? []);
  return [...given, ...(SESSION_SECRET === undefined ? [] : [derivedSecretKey(SESSION_SECRET)])];
}

const VARIABLE = /^TARGET_([A-Z][A-Z0-9_]{0,39})_(URL|URL_FILE|SCHEMAS)$/;
const POSTGRES = {
  protocols: ['postgres:', 'postgresql:'],
  example: 'postgres://user:password@host:5432/database',
  hostOptional: true,
};
const DEFAULT_SCHEMAS = ['public'];
const MAIN = 'main';

/**
 * The connections of the `table` target, by name: `crm` for TARGET_CRM_URL. `main` is the application's own database,
 * so it has schemas only, and none unless they are listed.
 * @param problems receives a sentence for each bad variable
 */
function readTableConnections(
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): ReadonlyMap<string, TableConnectionConfig> {
  const given = new Map<string, { url?: string; file?: string; schemas?: string }>();
  for (const [variable, value = ''] of Object.entries(environment)) {
    const [, name, part] = VARIABLE.exec(variable) ?? [];
    if (name === undefined || value === '') continue;
    const key = name.toLowerCase();
    const connection = given.get(key) ?? {};
    if (part === 'URL') connection.url = value;
    else if (part === 'URL_FILE') connection.file = value;
    else connection.schemas = value;
    given.set(key, connection);
  }
  const connections = new Map<string, TableConnectionConfig>();
  for (const [name, { url, file, schemas }] of [...given].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const variable = `TARGET_${name.toUpperCase()}`;
    const listed = schemas?.split(',').flatMap((schema) => schema.trim() || []) ?? DEFAULT_SCHEMAS;
    if (name === MAIN) {
      if (url !== undefined || file !== undefined)
        problems.push(`${variable}_URL must not be set: main is the database of DATABASE_URL`);
      if (schemas !== undefined) connections.set(name, { url: undefined, schemas: listed });
      continue;
    }
    const address = addressOf(variable, { url, file }, problems);
    if (address !== undefined) connections.set(name, { url: address, schemas: listed });
  }
  return connections;
}

function addressOf(
  variable: string,
  { url, file }: { url: string | undefined; file: string | undefined },
  problems: string[],
): string | undefined {
  if (url !== undefined && file !== undefined) {
    problems.push(`${variable}_URL and ${variable}_URL_FILE must not be set together`);
    return undefined;
  }
  let address = url;
  if (file !== undefined) {
    try {
      address = readFileSync(file, 'utf8').trim();
    } catch (error) {
      problems.push(`${variable}_URL_FILE cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }
  if (address === undefined) {
    problems.push(`${variable}_URL must be set, because ${variable}_SCHEMAS is`);
    return undefined;
  }
  if (isServerUrl(address, POSTGRES)) return address;
  problems.push(
    `${variable}_URL must look like ${POSTGRES.example}, with special characters of the password percent-encoded`,
  );
  return undefined;
}
