/** The crash tests reach PostgreSQL through PgBouncer, in transaction mode unless CRASH_POOLER=session. */
process.env.CRASH_POOLER ??= 'transaction';
