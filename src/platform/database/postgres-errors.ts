import { errorMessage, StartError } from '../errors.js';

const UNIQUE_VIOLATION = '23505';
const DEADLOCK = '40P01';
const FOREIGN_KEY_VIOLATION = '23503';
const INSUFFICIENT_PRIVILEGE = '42501';
const LOCK_NOT_AVAILABLE = '55P03';

/** The SQLSTATE of an error of `pg` or TypeORM, if it has one. */
export function sqlState(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Both `pg` and TypeORM errors carry the SQLSTATE as `code`. */
export const isUniqueViolation = (error: unknown): boolean => sqlState(error) === UNIQUE_VIOLATION;
export const isForeignKeyViolation = (error: unknown): boolean => sqlState(error) === FOREIGN_KEY_VIOLATION;

export const isInsufficientPrivilege = (error: unknown): boolean =>
  sqlState(error) === INSUFFICIENT_PRIVILEGE;

export const isLockNotAvailable = (error: unknown): boolean => sqlState(error) === LOCK_NOT_AVAILABLE;

export const isDeadlock = (error: unknown): boolean => sqlState(error) === DEADLOCK;

/** Data (22), integrity (23) and size (54) errors: the values are the cause, so a repetition would fail, too. */
export const isDataError = (error: unknown): boolean => /^(22|23|54)/.test(String(sqlState(error)));

/** DATABASE_URL does not lead to a database. The message is for the operator who set it, and hides its password. */
export class DatabaseUnreachableError extends StartError {
  override readonly name = 'DatabaseUnreachableError';

  constructor(databaseUrl: string | undefined, cause: unknown) {
    super(
      `PostgreSQL at ${withoutPassword(databaseUrl)} cannot be used: ${errorMessage(cause)}. Check DATABASE_URL.`,
      { cause },
    );
  }
}

/** pg also accepts the form user@/database?host=/a/socket, which is not a URL. */
function withoutPassword(databaseUrl = 'postgres://localhost'): string {
  if (!URL.canParse(databaseUrl)) return 'a socket';
  const url = new URL(databaseUrl);
  url.password = '';
  return url.toString();
}

/** SQLSTATEs that mean "not now" rather than "not like this". */
const TEMPORARY_STATES: ReadonlySet<string> = new Set([
  '25006', // read-only: the connection leads to a standby during a fail-over
  '40001', // serialization failure: concurrent transactions, under an isolation level we did not choose
  '40P01', // deadlock
  '53100', // the disk is full
  '53200', // out of memory
  '53300', // too many connections
  '55000', // the database does not accept connections
  '55P03', // a lock was not available in time
  '57014', // canceled by a statement_timeout or an operator
  '57P01', // the server is shutting down
  '57P02', // the server crashed
  '57P03', // the server is starting up
]);
const CONNECTION_EXCEPTION_CLASS = '08';

const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

/** `pg` gives these errors no code. */
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed and is not queryable|Connection ended unexpectedly)/;

/**
 * Tells whether PostgreSQL is temporarily unavailable, so that the same request may succeed later. Network errors
 * count, because PostgreSQL is the only server that calls wait for: no answer depends on Redis or mail.
 */
export function isDatabaseUnavailable(error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth > 5) return false;
  const { code, driverError, cause, errors } = error as Error & {
    code?: unknown;
    driverError?: unknown;
    errors?: unknown;
  };
  if (typeof code === 'string') {
    if (NETWORK_CODES.has(code) || TEMPORARY_STATES.has(code)) return true;
    if (code.length === 5 && code.startsWith(CONNECTION_EXCEPTION_CLASS)) return true;
  }
  if (MESSAGES.test(error.message)) return true;
  // If both addresses of a host name fail, one error holds the two.
  const inner = [driverError, cause, ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
  return inner.some((each) => isDatabaseUnavailable(each, depth + 1));
}
