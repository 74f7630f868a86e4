import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Pool } from 'pg';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Rows, type Sql } from '../platform/database/database.service.js';
import { isInsufficientPrivilege } from '../platform/database/postgres-errors.js';

/**
 * Deletes and changes audit events, for retention and erasure only. With AUDIT_DATABASE_URL it works as that role, so
 * that the role of the application needs no right to change the log.
 */
@Injectable()
export class AuditKeeper implements OnModuleDestroy {
  private readonly logger = new Logger(AuditKeeper.name);
  private pool: Pool | undefined;

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** Deletes the oldest events past their retention, in one step; call it again while it returns the limit. */
  async deletePast(days: number, limit: number): Promise<number> {
    if (days === 0) return 0;
    try {
      const { rowCount } = await this.sql.query(
        `DELETE FROM audit_log WHERE audit_id IN (
           SELECT audit_id FROM audit_log WHERE happened_at < now() - $1 * interval '1 day'
            ORDER BY happened_at LIMIT $2)`,
        [days, limit],
      );
      return rowCount;
    } catch (error) {
      if (!isInsufficientPrivilege(error)) throw error;
      this.logger.warn(
        `Audit events older than AUDIT_RETENTION_DAYS (${days}) stay: the role may not delete from audit_log. ` +
          'Set AUDIT_DATABASE_URL to a role that may.',
      );
      return 0;
    }
  }

  /** The connection that may change the log. */
  get sql(): Sql {
    const { auditDatabaseUrl } = this.config;
    if (auditDatabaseUrl === undefined) return this.database;
    this.pool ??= poolOf(auditDatabaseUrl);
    return sqlOf(this.pool);
  }

  async onModuleDestroy(): Promise<void> {
    await this.pool?.end();
  }
}

/** Two connections: a sweep and an erasure. */
function poolOf(connectionString: string): Pool {
  const pool = new Pool({
    connectionString,
    max: 2,
    connectionTimeoutMillis: 10_000,
    application_name: 'workflow-import-queue audit',
  });
  // The statement that was running reports the error.
  pool.on('error', () => undefined);
  return pool;
}

const sqlOf = (pool: Pool): Sql => ({
  query: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> => {
    const { rows, rowCount } = await pool.query<Row>(text, [...values]);
    return { rows, rowCount: rowCount ?? 0 };
  },
});
