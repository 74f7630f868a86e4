import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DatabaseService } from '../platform/database/database.service.js';
import { isUniqueViolation } from '../platform/database/postgres-errors.js';
import type { Sql } from '../platform/database/transaction.js';
import { writeAudit } from './audit.js';
import {
  emailTaken,
  lastAdministrator,
  personRequired,
  unusablePassword,
  userNotFound,
} from './auth.errors.js';
import { hashPassword } from './password-hash.js';
import type { Principal, UserRole } from './principal.js';
import { endSessions } from './sessions.service.js';
import { SignIn } from './sign-in.js';
import type { ChangePasswordDto, CreateUserDto } from './users.dto.js';

/** A user as pages show it: never the password, nor its hash. */
interface UserResource {
  id: number;
  email: string;
  role: UserRole;
  enabled: boolean;
  createdBy: string;
  createdAt: Date;
  lastSignedInAt: Date | null;
}

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

/** What people do with their own account. */
@Injectable()
export class AccountService {
  constructor(
    private readonly people: SignIn,
    private readonly users: UsersService,
  ) {}

  /**
   * The other sessions of the person end. The current password is asked for, and throttled as at the sign-in: a
   * browser left open must not be enough to take an account over.
   * @throws DomainError 400 `unusable_password` at its field, 429 `too_many_failed_sign_ins`
   */
  async changePassword(dto: ChangePasswordDto, principal: Principal, request: Request): Promise<void> {
    const { currentPassword, newPassword, repeatedPassword } = dto;
    if (newPassword !== repeatedPassword) {
      throw unusablePassword('repeatedPassword', 'this differs from the new password');
    }
    if (!(await this.people.isPasswordOf(principal.name, currentPassword, request))) {
      throw unusablePassword('currentPassword', 'this is not your password');
    }
    await this.users.setPassword(userId(principal), newPassword, principal, 'newPassword');
  }

  /** In this browser too. */
  async signOutEverywhere(principal: Principal): Promise<void> {
    await this.users.signOutEverywhere(userId(principal), principal);
  }
}

function userId({ user }: Principal): number {
  if (user === undefined) throw personRequired();
  return user.id;
}
