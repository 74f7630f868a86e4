/** Which part of the system a fault belongs to; it decides what happens to the chunk and its records. */
export type FaultKind =
  /** The values of a record: its chunk is halved until the record stands alone, and the record fails. */
  | 'data'
  /** Our code, or a target's: records that still throw while others succeed fail; if all throw, nothing fails. */
  | 'code'
  /** Something around the records: it is retried, and pauses the batch if it lasts. */
  | 'environment'
  /** A lost connection or a deadlock: it is retried, and proves nothing even if it happens many times. */
  | 'transient';

/** How many times a whole chunk may fail before a fault counts as lasting. */
export const LASTING_FAULTS = 5;

/** Data exceptions, integrity violations and exceeded limits. Only these SQLSTATEs concern records. */
const DATA_SQLSTATE = /^(?:22|23|54)/;
/**
 * Connection exceptions (08), serialization failures and deadlocks (40), too many connections (533), shutdown, crash
 * and start of the server (57P), and the end of a session that was idle in its transaction (25P03), for example because
 * its worker was frozen.
 */
const TRANSIENT_SQLSTATE = /^(?:08|40|533|25P03|57P0[1-4])/;
const TRANSIENT_SOCKET =
  /^(?:EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EPIPE|ETIMEDOUT)$/;
/** Messages of errors from pg and its pool that have no code. */
const LOST_CONNECTION =
  /connection terminated|connection error|not queryable|trying to connect|connection timeout/i;

/** The batch cannot be processed, and retries do not help: its import process no longer works. */
export class UnprocessableBatchError extends Error {
  override readonly name = 'UnprocessableBatchError';
}

/** All records of a chunk fail in the same way, so the cause is not in the records. */
export class CommonFaultError extends Error {
  override readonly name = 'CommonFaultError';
}

export function faultKind(error: unknown): FaultKind {
  if (!(error instanceof Error)) return 'code';
  if (error instanceof CommonFaultError) return 'environment';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (TRANSIENT_SOCKET.test(code) || LOST_CONNECTION.test(error.message)) return 'transient';
  if (/^[0-9A-Z]{5}$/.test(code)) return kindOfSqlState(code);
  // An operating system error, such as a full disk.
  if ('syscall' in error) return 'environment';
  return error.cause === undefined ? 'code' : faultKind(error.cause);
}

function kindOfSqlState(code: string): FaultKind {
  if (DATA_SQLSTATE.test(code)) return 'data';
  return TRANSIENT_SQLSTATE.test(code) ? 'transient' : 'environment';
}
