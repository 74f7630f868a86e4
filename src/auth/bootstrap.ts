import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { holdLock } from '../platform/database/advisory-locks.js';
import { DatabaseService } from '../platform/database/database.service.js';
import type { Sql } from '../platform/database/transaction.js';
import { hashKey, keyHint } from './api-key-authentication.js';
import { writeAudit } from './audit.js';
import { hashPassword, passwordMatches } from './password-hash.js';
import { PERMISSIONS } from './principal.js';
import { endSessions } from './sessions.service.js';

const KEY_CREATED_BY = 'BOOTSTRAP_API_KEY';

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
      // Processes that start together take turns. Each could otherwise revoke the key that another just made.
      await holdLock(transaction, 'bootstrapKey');
      if (key !== undefined)
        await transaction.query(ENSURE_KEY, [hash, keyHint(key), PERMISSIONS, KEY_CREATED_BY]);
      return (await transaction.query(RETIRE_KEYS, [KEY_CREATED_BY, hash])).rowCount;
    });
    if (retired > 0) this.logger.log('The API key of an earlier BOOTSTRAP_API_KEY is revoked.');
  }
}

const ENSURE_KEY = `
  INSERT INTO api_key (name, key_hash, key_hint, permissions, created_by)
  VALUES ('Bootstrap key', $1, $2, $3, $4)
  ON CONFLICT (key_hash) DO UPDATE SET permissions = excluded.permissions, import_process_ids = NULL,
    expires_at = NULL, revoked_at = NULL, created_by = excluded.created_by`;

const RETIRE_KEYS = `
  UPDATE api_key SET revoked_at = now()
  WHERE created_by = $1 AND revoked_at IS NULL AND key_hash IS DISTINCT FROM $2`;

const ADMINISTRATOR_CREATED_BY = 'BOOTSTRAP_ADMIN';

interface ExistingUser {
  id: number;
  passwordHash: string;
  wasAdministrator: boolean;
}

/** Somebody must be there first, to make all the others. */
@Injectable()
export class FirstAdministrator implements OnModuleInit {
  private readonly logger = new Logger(FirstAdministrator.name);

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** Makes the table say what BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD say. */
  async onModuleInit(): Promise<void> {
    const { bootstrapAdminEmail: email, bootstrapAdminPassword: password } = this.config;
    if (email === undefined || password === undefined) return;
    await this.alone((sql) => this.ensure(sql, email.toLowerCase(), password));
  }

  /** A new administrator with a password of ours, where there is no user at all; `null` where there is one. */
  async createIfAlone(email: string): Promise<{ email: string; password: string } | null> {
    const password = randomBytes(12).toString('base64url');
    const hash = await hashPassword(password);
    const made = await this.alone(async (sql) => {
      const { rows } = await sql.query('SELECT 1 FROM app_user LIMIT 1');
      if (rows.length > 0) return false;
      await insertAdministrator(sql, email, hash);
      return true;
    });
    return made ? { email, password } : null;
  }

  private async ensure(sql: Sql, email: string, password: string): Promise<void> {
    const { rows } = await sql.query<ExistingUser>(FIND_USER, [email]);
    const [existing] = rows;
    if (existing === undefined) {
      await insertAdministrator(sql, email, await hashPassword(password));
      return;
    }
    const samePassword = await passwordMatches(password, existing.passwordHash);
    if (samePassword && existing.wasAdministrator) return;
    const hash = samePassword ? existing.passwordHash : await hashPassword(password);
    await sql.query(RESTORE_ADMINISTRATOR, [existing.id, hash]);
    if (!samePassword) await endSessions(sql, existing.id);
    await writeAudit(sql, {
      actor: ADMINISTRATOR_CREATED_BY,
      action: 'user_restored',
      subject: `user:${existing.id}`,
    });
    this.logger.log('The administrator of BOOTSTRAP_ADMIN_EMAIL is as BOOTSTRAP_ADMIN_* say again.');
  }

  private alone<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      // Processes that start together take turns. Each would otherwise find the user missing.
      await holdLock(transaction, 'firstAdministrator');
      return work(transaction);
    });
  }
}

async function insertAdministrator(sql: Sql, email: string, passwordHash: string): Promise<void> {
  const { rows } = await sql.query<{ id: number }>(INSERT_ADMINISTRATOR, [
    email,
    passwordHash,
    ADMINISTRATOR_CREATED_BY,
  ]);
  await writeAudit(sql, {
    actor: ADMINISTRATOR_CREATED_BY,
    action: 'user_created',
    subject: `user:${rows[0]?.id}`,
    details: { email, role: 'administrator' },
  });
}

const FIND_USER = `
  SELECT user_id AS id, password_hash AS "passwordHash",
    role = 'administrator' AND disabled_at IS NULL AS "wasAdministrator"
  FROM app_user WHERE email = $1 FOR UPDATE`;

const INSERT_ADMINISTRATOR = `
  INSERT INTO app_user (email, password_hash, role, created_by) VALUES ($1, $2, 'administrator', $3)
  RETURNING user_id AS id`;

const RESTORE_ADMINISTRATOR = `
  UPDATE app_user SET role = 'administrator', disabled_at = NULL, password_hash = $2 WHERE user_id = $1`;
