import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import type { Sql } from '../../database/transaction.js';
import { writeAudit } from '../audit/write-audit.js';
import { endSessions } from '../sessions/end-sessions.js';
import { hashPassword, passwordMatches } from './password-hash.js';

const CREATED_BY = 'BOOTSTRAP_ADMIN';
/** Processes that start at once take turns, else each would see the user missing. */
const LOCK = 7_167;

interface Existing {
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
      await insert(sql, email, hash);
      return true;
    });
    return made ? { email, password } : null;
  }

  private async ensure(sql: Sql, email: string, password: string): Promise<void> {
    const { rows } = await sql.query<Existing>(FIND, [email]);
    const [existing] = rows;
    if (existing === undefined) {
      await insert(sql, email, await hashPassword(password));
      return;
    }
    const samePassword = await passwordMatches(password, existing.passwordHash);
    if (samePassword && existing.wasAdministrator) return;
    const hash = samePassword ? existing.passwordHash : await hashPassword(password);
    await sql.query(RESTORE, [existing.id, hash]);
    if (!samePassword) await endSessions(sql, existing.id);
    await writeAudit(sql, { actor: CREATED_BY, action: 'user_restored', subject: `user:${existing.id}` });
    this.logger.log('The administrator of BOOTSTRAP_ADMIN_EMAIL is as BOOTSTRAP_ADMIN_* say again.');
  }

  private alone<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      return work(transaction);
    });
  }
}

async function insert(sql: Sql, email: string, passwordHash: string): Promise<void> {
  const { rows } = await sql.query<{ id: number }>(INSERT, [email, passwordHash, CREATED_BY]);
  await writeAudit(sql, {
    actor: CREATED_BY,
    action: 'user_created',
    subject: `user:${rows[0]?.id}`,
    details: { email, role: 'administrator' },
  });
}

const FIND = `
  SELECT user_id AS id, password_hash AS "passwordHash",
    role = 'administrator' AND disabled_at IS NULL AS "wasAdministrator"
  FROM app_user WHERE email = $1 FOR UPDATE`;

const INSERT = `
  INSERT INTO app_user (email, password_hash, role, created_by) VALUES ($1, $2, 'administrator', $3)
  RETURNING user_id AS id`;

const RESTORE = `
  UPDATE app_user SET role = 'administrator', disabled_at = NULL, password_hash = $2 WHERE user_id = $1`;
