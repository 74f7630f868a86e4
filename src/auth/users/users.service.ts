import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import { isUniqueViolation } from '../../database/postgres-error.js';
import type { Sql } from '../../database/transaction.js';
import { writeAudit } from '../audit/write-audit.js';
import type { CreateUserDto } from '../dto/create-user.dto.js';
import type { Principal } from '../principal.js';
import { endSessions } from '../sessions/end-sessions.js';
import { hashPassword } from './password-hash.js';
import type { UserResource } from './user-resource.js';
import type { UserRole } from './user-role.js';
import { emailTaken, lastAdministrator, unusablePassword, userNotFound } from './user.errors.js';

/** The people who may sign in. What changes is written to the audit log with it. */
@Injectable()
export class UsersService {
  constructor(private readonly database: DatabaseService) {}

  /** By address; disabled ones too: batches name them. */
  async list(): Promise<UserResource[]> {
    return (await this.database.query<UserResource>(`${SELECT} ORDER BY email`)).rows;
  }

  /** @throws DomainError 404 `user_not_found` */
  get(id: number): Promise<UserResource> {
    return find(this.database, id);
  }

  /** @throws DomainError 409 `email_taken`, 400 `unusable_password` */
  async create({ email, role, password }: CreateUserDto, maker: Principal): Promise<number> {
    const address = email.toLowerCase();
    const hash = await usableHash(password, address);
    return this.database.transaction(async (transaction) => {
      const { rows } = await transaction
        .query<{ id: number }>(INSERT, [address, hash, role, maker.id])
        .catch((error: unknown) => {
          throw isUniqueViolation(error) ? emailTaken(address, error) : error;
        });
      const id = rows[0]?.id ?? 0;
      await note(transaction, maker, 'user_created', id, { email: address, role });
      return id;
    });
  }

  /** Counts with the next request of the person. @throws DomainError 404, 409 `last_administrator` */
  async changeRole(id: number, role: UserRole, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const before = await lock(transaction, id, role !== 'administrator');
      if (before.role === role) return;
      await transaction.query('UPDATE app_user SET role = $2 WHERE user_id = $1', [id, role]);
      await note(transaction, by, 'user_role_changed', id, { from: before.role, to: role });
    });
  }

  /** The person is out at once, everywhere. @throws DomainError 404, 409 `last_administrator` */
  async disable(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { enabled } = await lock(transaction, id, true);
      if (!enabled) return;
      await transaction.query('UPDATE app_user SET disabled_at = now() WHERE user_id = $1', [id]);
      await endSessions(transaction, id);
      await note(transaction, by, 'user_disabled', id);
    });
  }

  /** @throws DomainError 404 `user_not_found` */
  async enable(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { enabled } = await lock(transaction, id, false);
      if (enabled) return;
      await transaction.query('UPDATE app_user SET disabled_at = NULL WHERE user_id = $1', [id]);
      await note(transaction, by, 'user_enabled', id);
    });
  }

  /**
   * Whoever knew the old password is signed out everywhere; people who change their own stay signed in here.
   * @throws DomainError 404 `user_not_found`, 400 `unusable_password` at the field
   */
  async setPassword(id: number, password: string, by: Principal, field = 'password'): Promise<void> {
    const { email } = await this.get(id);
    const hash = await usableHash(password, email, field);
    const own = by.user?.id === id ? by.user.sessionHash : null;
    await this.database.transaction(async (transaction) => {
      await transaction.query('UPDATE app_user SET password_hash = $2 WHERE user_id = $1', [id, hash]);
      const sessionsEnded = await endSessions(transaction, id, own);
      await note(transaction, by, own === null ? 'password_set' : 'password_changed', id, { sessionsEnded });
    });
  }

  /** Ends every session of the person, that of the request too. */
  async signOutEverywhere(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const sessionsEnded = await endSessions(transaction, id);
      await note(transaction, by, 'signed_out_everywhere', id, { sessionsEnded });
    });
  }
}

/** @throws DomainError 400: an address everybody knows is no secret */
async function usableHash(password: string, email: string, field = 'password'): Promise<string> {
  if (password.toLowerCase() === email) {
    throw unusablePassword(field, 'the password must not be the e-mail address');
  }
  return hashPassword(password);
}

async function find(sql: Sql, id: number): Promise<UserResource> {
  const { rows } = await sql.query<UserResource>(`${SELECT} WHERE user_id = $1`, [id]);
  return rows[0] ?? fail(id);
}

/** @param leaves whether the user may be no administrator afterwards: then another one must be left */
async function lock(sql: Sql, id: number, leaves: boolean): Promise<UserResource> {
  // Administrators who remove each other at the same time take turns, and the second is refused.
  const { rows } = await sql.query<{ id: number }>(LOCK_ADMINISTRATORS);
  await sql.query('SELECT 1 FROM app_user WHERE user_id = $1 FOR UPDATE', [id]);
  if (leaves && rows.length === 1 && rows[0]?.id === id) throw lastAdministrator();
  return find(sql, id);
}

const note = (sql: Sql, by: Principal, action: string, id: number, details: Record<string, unknown> = {}) =>
  writeAudit(sql, { actor: by.id, action, subject: `user:${id}`, details });

function fail(id: number): never {
  throw userNotFound(String(id));
}

const SELECT = `
  SELECT user_id AS id, email, role, disabled_at IS NULL AS enabled, created_by AS "createdBy",
    created_at AS "createdAt", last_signed_in_at AS "lastSignedInAt"
  FROM app_user`;

const INSERT = `
  INSERT INTO app_user (email, password_hash, role, created_by) VALUES ($1, $2, $3, $4)
  RETURNING user_id AS id`;

const LOCK_ADMINISTRATORS = `
  SELECT user_id AS id FROM app_user WHERE role = 'administrator' AND disabled_at IS NULL
  ORDER BY user_id FOR UPDATE`;
