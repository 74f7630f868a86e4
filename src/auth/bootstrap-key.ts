import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { DatabaseService } from '../database/database.service.js';
import { hashKey, keyHint } from './key-secret.js';
import { PERMISSIONS } from './permissions.js';

const CREATED_BY = 'BOOTSTRAP_API_KEY';
/** Processes that start at once take turns, else each could revoke the key the other just made. */
const LOCK = 7_166;

/**
 * Makes the table say what BOOTSTRAP_API_KEY says: that key exists with every permission, and the one of an earlier
 * value is revoked. A row like any other, so that it is listed and shows when it was last used.
 */
@Injectable()
export class BootstrapKey implements OnModuleInit {
  private readonly logger = new Logger(BootstrapKey.name);

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  async onModuleInit(): Promise<void> {
    const { bootstrapApiKey: key } = this.config;
    const hash = key === undefined ? null : hashKey(key);
    const retired = await this.database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      if (key !== undefined) await transaction.query(ENSURE, [hash, keyHint(key), PERMISSIONS, CREATED_BY]);
      return (await transaction.query(RETIRE, [CREATED_BY, hash])).rowCount;
    });
    if (retired > 0) this.logger.log('The API key of an earlier BOOTSTRAP_API_KEY is revoked.');
  }
}

const ENSURE = `
  INSERT INTO api_key (name, key_hash, key_hint, permissions, created_by)
  VALUES ('Bootstrap key', $1, $2, $3, $4)
  ON CONFLICT (key_hash) DO UPDATE SET permissions = excluded.permissions, import_process_ids = NULL,
    expires_at = NULL, revoked_at = NULL, created_by = excluded.created_by`;

const RETIRE = `
  UPDATE api_key SET revoked_at = now()
  WHERE created_by = $1 AND revoked_at IS NULL AND key_hash IS DISTINCT FROM $2`;
