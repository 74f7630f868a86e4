/**
 * SQLSTATEs that say nothing about the records: connection exceptions (08), serialization failure and deadlock (40),
 * insufficient resources (53), lock not available, an operator's intervention (57P), system errors (58), and the end
 * of a session that was idle in its transaction for too long (25P03), as that of a worker that was frozen.
 */
const TRANSIENT_SQLSTATE = /^(?:08|40|53|58|25P03|55P03|57P)/;
const TRANSIENT_SOCKET =
  /^(?:EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EPIPE|ETIMEDOUT)$/;
/** What pg and its pool say without a code. */
const LOST_CONNECTION =
  /connection terminated|connection error|not queryable|trying to connect|connection timeout/i;

/** Whether the same work may well succeed if it is only tried again later. */
export function isTransientFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const sqlState = /^[0-9A-Z]{5}$/.test(code) && !TRANSIENT_SOCKET.test(code);
  if (sqlState) return TRANSIENT_SQLSTATE.test(code);
  return TRANSIENT_SOCKET.test(code) || LOST_CONNECTION.test(error.message) || isTransientFault(error.cause);
}
