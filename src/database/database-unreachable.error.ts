/** DATABASE_URL leads nowhere; the message is for whoever set it and does not show its password. */
export class DatabaseUnreachableError extends Error {
  override readonly name = 'DatabaseUnreachableError';

  constructor(databaseUrl: string | undefined, cause: unknown) {
    super(
      `PostgreSQL at ${withoutPassword(databaseUrl)} cannot be used: ${reason(cause)}. Check DATABASE_URL.`,
      { cause },
    );
  }
}

/** The form user@/database?host=/a/socket, which pg takes, is no URL. */
function withoutPassword(databaseUrl = 'postgres://localhost'): string {
  if (!URL.canParse(databaseUrl)) return 'a socket';
  const url = new URL(databaseUrl);
  url.password = '';
  return url.toString();
}

/** Node joins the errors of both address families into one without a message. */
function reason(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(reason).join(', ');
  return cause instanceof Error ? cause.message : String(cause);
}
