/** DATABASE_URL leads nowhere; the message is for whoever set it and does not show its password. */
export class DatabaseUnreachableError extends Error {
  override readonly name = 'DatabaseUnreachableError';

  constructor(databaseUrl: string | undefined, cause: unknown) {
    const url = new URL(databaseUrl ?? 'postgres://localhost');
    url.password = '';
    super(`PostgreSQL at ${url.toString()} cannot be used: ${reason(cause)}. Check DATABASE_URL.`, { cause });
  }
}

/** Node joins the errors of both address families into one without a message. */
function reason(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(reason).join(', ');
  return cause instanceof Error ? cause.message : String(cause);
}
