/** SQLSTATEs that say "not now" rather than "not like this". */
const TEMPORARY_STATES: ReadonlySet<string> = new Set([
  '25006', // read-only: the connection leads to a standby, a fail-over is going on
  '53100', // its disk is full
  '53200', // out of memory
  '53300', // too many connections
  '57P01', // the server shuts down
  '57P02', // the server crashed
  '57P03', // the server starts up
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

/** `pg` gives these no code. */
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed and is not queryable|Connection ended unexpectedly)/;

/**
 * Is PostgreSQL away for now, so that the same request may succeed later? Network errors count, since it is the only
 * server that calls wait for: Redis and mail never stand between a caller and the answer.
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
  // Trying both addresses of a name fails with one error that holds two.
  const inner = [driverError, cause, ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
  return inner.some((each) => isDatabaseUnavailable(each, depth + 1));
}
