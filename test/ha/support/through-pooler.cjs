/** The crash tests reach PostgreSQL through PgBouncer in transaction mode. */
process.env.CRASH_POOLER = 'transaction';
