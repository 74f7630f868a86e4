import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { holdLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { ensureBootstrapKey, revokeOtherKeys } from './api-keys.sql.js';
import { writeAudit } from './audit-log.sql.js';
import { hashKey, keyHint } from './authenticator.js';
import { hashPassword, passwordMatches } from './passwords.js';
import { PERMISSIONS } from './principal.js';
import { endSessions } from './sessions.service.js';
import { anyUserExists, insertUser, lockUserByEmail, restoreAdministrator } from './users.sql.js';

const KEY_CREATED_BY = 'BOOTSTRAP_API_KEY';

/**
 * Makes the table match BOOTSTRAP_API_KEY: that key exists with every permission, and the key of an earlier value is
 * revoked. It is a row like any other, so that it is listed and shows when it was last used.
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
    const revoked = await this.database.transaction(async (transaction) => {
      // Processes that start at the same time take turns; otherwise each could revoke the key of another.
      await holdLock(transaction, 'bootstrapKey');
      if (key !== undefined && hash !== null) {
        const row = { hash, hint: keyHint(key), permissions: PERMISSIONS, createdBy: KEY_CREATED_BY };
        await ensureBootstrapKey(transaction, row);
      }
      return revokeOtherKeys(transaction, KEY_CREATED_BY, hash);
    });
    if (revoked > 0) this.logger.log('The API key of an earlier BOOTSTRAP_API_KEY is revoked.');
  }
}

const ADMINISTRATOR_CREATED_BY = 'BOOTSTRAP_ADMIN';

/** Creates the administrator who creates all other users. */
@Injectable()
export class FirstAdministrator implements OnModuleInit {
  private readonly logger = new Logger(FirstAdministrator.name);

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** Applies BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD, unless the same password was applied before. */
  async onModuleInit(): Promise<void> {
    const { bootstrapAdminEmail: email, bootstrapAdminPassword: password } = this.config;
    if (email === undefined || password === undefined) return;
    await this.exclusively((sql) => this.ensure(sql, email.toLowerCase(), password));
  }

  /** Creates an administrator with a random password if no user exists; returns `null` if one does. */
  async createIfAlone(email: string): Promise<{ email: string; password: string } | null> {
    const password = randomBytes(12).toString('base64url');
    const hash = await hashPassword(password);
    const created = await this.exclusively(async (sql) => {
      if (await anyUserExists(sql)) return false;
      await createAdministrator(sql, email, hash);
      return true;
    });
    return created ? { email, password } : null;
  }

  private async ensure(sql: Sql, email: string, password: string): Promise<void> {
    const existing = await lockUserByEmail(sql, email);
    if (existing === undefined) {
      const passwordHash = await hashPassword(password);
      const id = await createAdministrator(sql, email, passwordHash);
      await restoreAdministrator(sql, { id, passwordHash });
      return;
    }
    // A restart must not undo what users have changed since: the password, the role, or that the user is disabled.
    const applied = existing.bootstrapPasswordHash;
    if (applied !== null && (await passwordMatches(password, applied))) return;
    const current = existing.passwordHash ?? undefined;
    const samePassword = await passwordMatches(password, current);
    const passwordHash = samePassword && current !== undefined ? current : await hashPassword(password);
    await restoreAdministrator(sql, { id: existing.id, passwordHash });
    if (samePassword && existing.isAdministrator) return;
    await endSessions(sql, existing.id);
    await writeAudit(sql, {
      actor: ADMINISTRATOR_CREATED_BY,
      action: 'user_restored',
      subject: `user:${existing.id}`,
    });
    this.logger.log('The administrator of BOOTSTRAP_ADMIN_EMAIL matches BOOTSTRAP_ADMIN_* again.');
  }

  private exclusively<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      // Processes that start at the same time take turns; otherwise each would find the user missing.
      await holdLock(transaction, 'firstAdministrator');
      return work(transaction);
    });
  }
}

async function createAdministrator(sql: Sql, email: string, passwordHash: string): Promise<number> {
  const id = await insertUser(sql, {
    email,
    passwordHash,
    role: 'administrator',
    importProcessIds: null,
    createdBy: ADMINISTRATOR_CREATED_BY,
    passwordIsTemporary: false,
  });
  await writeAudit(sql, {
    actor: ADMINISTRATOR_CREATED_BY,
    action: 'user_created',
    subject: `user:${id}`,
    details: { email, role: 'administrator' },
  });
  return id;
}
