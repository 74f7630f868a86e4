import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';
import { MIGRATIONS } from '../database/migrations.js';

/** Throws a sentence for operators when PostgreSQL cannot serve this process. */
@Injectable()
export class PostgresCheck {
  constructor(private readonly database: DatabaseService) {}

  /**
   * Through the pool, not beside it: a process whose every connection is taken cannot serve a call either. Nothing
   * is written, since PostgreSQL says itself whether it would.
   */
  async writable(): Promise<void> {
    const { rows } = await this.database.query<{ writable: boolean }>(
      `SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`,
    );
    if (rows[0]?.writable !== true) throw new Error('answers, but takes no writes');
  }

  async migrated(): Promise<void> {
    const { rows } = await this.database.query<{ name: string }>('SELECT name FROM schema_migration');
    const applied = new Set(rows.map(({ name }) => name));
    const missing = MIGRATIONS.map(({ name }) => name).filter((name) => !applied.has(name));
    if (missing.length > 0) throw new Error(`not applied: ${missing.join(', ')}; run npm run migration:run`);
  }
}
