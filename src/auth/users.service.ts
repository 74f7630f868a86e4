import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { isUniqueViolation } from '../platform/database/postgres-errors.js';
import { invalidBody } from '../platform/http/http.errors.js';
import { AccountLinks } from './account-links.js';
import { deleteLinks } from './account-links.sql.js';
import { writeAudit } from './audit-log.sql.js';
import {
  emailTaken,
  lastAdministrator,
  limitedAdministrator,
  managedByProvider,
  personRequired,
  sessionNotFound,
  unusablePassword,
  userNotFound,
} from './auth.errors.js';
import { assertUsablePassword, hashPassword } from './passwords.js';
import {
  KnownImportProcesses,
  permissionsOf,
  type Principal,
  problemsOfLimit,
  type SignedInUser,
} from './principal.js';
import { endSession, endSessions, type OwnSession, selectSessions } from './sessions.service.js';
import { SignIn } from './sign-in.js';
import type { ChangeAccessDto, ChangePasswordDto, CreateUserDto } from './users.dto.js';
import {
  insertUser,
  lockUserAndAdministrators,
  selectUser,
  selectUsers,
  updateAccess,
  updateEnabled,
  updatePassword,
  type UserAccess,
  type UserResource,
} from './users.sql.js';

/** Manages the users who may sign in. Each change writes its audit entry in the same transaction. */
@Injectable()
export class UsersService {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly importProcesses: KnownImportProcesses,
    private readonly links: AccountLinks,
  ) {}

  /** By address. Includes disabled users, because batches name them. */
  list(): Promise<UserResource[]> {
    return selectUsers(this.database);
  }

  /** @throws DomainError 404 `user_not_found` */
  get(id: number): Promise<UserResource> {
    return find(this.database, id);
  }

  /**
   * Without a password, the user is invited by mail.
   * @throws DomainError 409 `email_taken`, `mail_is_off`, 400 `unusable_password`, `invalid_body` for an unusable limit
   */
  async create(dto: CreateUserDto, creator: Principal): Promise<number> {
    const { email, role, password, importProcessIds = null } = dto;
    const address = email.toLowerCase();
    await this.assertLimitFits({ role, importProcessIds });
    if (password === undefined) this.links.assertCanInvite(address);
    const passwordHash = password === undefined ? null : await usableHash(password, address);
    const created = await this.database.transaction(async (transaction) => {
      const user = {
        email: address,
        passwordHash,
        role,
        importProcessIds,
        createdBy: creator.id,
        passwordIsTemporary: password !== undefined,
      };
      const id = await insertUser(transaction, user).catch((error: unknown) => {
        throw isUniqueViolation(error) ? emailTaken(address, error) : error;
      });
      await audit(transaction, creator, 'user_created', id, { email: address, role, importProcessIds });
      return id;
    });
    if (password === undefined) await this.links.invite(created, creator);
    return created;
  }

  /**
   * Changes the role and the limit to import processes. Another role ends all sessions of the user; another limit takes
   * effect with the next request.
   * @throws DomainError 404, 409 `last_administrator`, 400 `invalid_body` for an unusable limit
   */
  async changeAccess(id: number, dto: ChangeAccessDto, by: Principal): Promise<void> {
    const { role } = dto;
    const current = await this.get(id);
    if (role !== current.role) this.assertDecidedHere(current);
    const importProcessIds =
      dto.importProcessIds === undefined ? current.importProcessIds : dto.importProcessIds;
    await this.assertLimitFits({ role, importProcessIds }, current.importProcessIds ?? []);
    await this.database.transaction(async (transaction) => {
      const before = await lock(transaction, id, { leavesAdministrators: role !== 'administrator' });
      const sameLimit = JSON.stringify(before.importProcessIds) === JSON.stringify(importProcessIds);
      if (before.role === role && sameLimit) return;
      await updateAccess(transaction, id, { role, importProcessIds });
      if (before.role !== role) {
        const sessionsEnded = await endSessions(transaction, id);
        const change = { from: before.role, to: role, sessionsEnded };
        await audit(transaction, by, 'user_role_changed', id, change);
      }
      if (!sameLimit) {
        const change = { from: before.importProcessIds, to: importProcessIds };
        await audit(transaction, by, 'user_import_processes_changed', id, change);
      }
    });
  }

  /** Signs the user out everywhere at once. @throws DomainError 404, 409 `last_administrator` */
  async disable(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { enabled } = await lock(transaction, id, { leavesAdministrators: true });
      if (!enabled) return;
      await updateEnabled(transaction, id, false);
      await endSessions(transaction, id);
      await deleteLinks(transaction, id);
      await audit(transaction, by, 'user_disabled', id);
    });
  }

  /** @throws DomainError 404 `user_not_found` */
  async enable(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { enabled } = await lock(transaction, id, { leavesAdministrators: false });
      if (enabled) return;
      await updateEnabled(transaction, id, true);
      await audit(transaction, by, 'user_enabled', id);
    });
  }

  /**
   * Ends all sessions of the user, because someone else may know the old password. A user who changes the own password
   * keeps the session of the request.
   * @throws DomainError 404 `user_not_found`, 400 `unusable_password` at the field
   */
  async setPassword(id: number, password: string, by: Principal, field = 'password'): Promise<void> {
    const user = await this.get(id);
    this.assertDecidedHere(user);
    const { email } = user;
    const hash = await usableHash(password, email, field);
    const ownSession = by.user?.id === id ? by.user.sessionHash : null;
    const action = ownSession === null ? 'password_set' : 'password_changed';
    await this.database.transaction(async (transaction) => {
      await updatePassword(transaction, id, hash, ownSession === null);
      await deleteLinks(transaction, id);
      const sessionsEnded = await endSessions(transaction, id, ownSession);
      await audit(transaction, by, action, id, { sessionsEnded });
    });
  }

  /** @throws DomainError 409 `managed_by_provider` */
  private assertDecidedHere({ hasIdentity }: UserResource): void {
    const { oidc } = this.config;
    if (hasIdentity && oidc !== undefined) throw managedByProvider(oidc.name);
  }

  /** @param kept ids of the present limit, which may stay even if their import processes were deleted */
  private async assertLimitFits(
    { role, importProcessIds }: UserAccess,
    kept: readonly number[] = [],
  ): Promise<void> {
    if (role === 'administrator' && importProcessIds !== null) throw limitedAdministrator();
    const added = importProcessIds?.filter((id) => !kept.includes(id)) ?? null;
    const problems = await problemsOfLimit(this.importProcesses, permissionsOf(role), added);
    if (problems.length > 0) throw invalidBody(problems);
  }

  /** Ends every session of the user, including that of the request. */
  async signOutEverywhere(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const sessionsEnded = await endSessions(transaction, id);
      await audit(transaction, by, 'signed_out_everywhere', id, { sessionsEnded });
    });
  }
}

/** @throws DomainError 400 `unusable_password` at the field */
async function usableHash(password: string, email: string, field = 'password'): Promise<string> {
  assertUsablePassword(password, email, field);
  return hashPassword(password);
}

async function find(sql: Sql, id: number): Promise<UserResource> {
  const user = await selectUser(sql, id);
  if (user === undefined) throw userNotFound(String(id));
  return user;
}

/**
 * Locks the user for a change. A change after which the user may no longer be an administrator needs another
 * administrator.
 */
async function lock(
  sql: Sql,
  id: number,
  { leavesAdministrators }: { leavesAdministrators: boolean },
): Promise<UserResource> {
  const administrators = await lockUserAndAdministrators(sql, id);
  const isLast = administrators.length === 1 && administrators[0] === id;
  if (leavesAdministrators && isLast) throw lastAdministrator();
  return find(sql, id);
}

const audit = (sql: Sql, by: Principal, action: string, id: number, details: Record<string, unknown> = {}) =>
  writeAudit(sql, { actor: by.id, action, subject: `user:${id}`, details });

/** What users do with their own account. */
@Injectable()
export class AccountService {
  constructor(
    private readonly database: DatabaseService,
    private readonly signIns: SignIn,
    private readonly users: UsersService,
  ) {}

  /**
   * Ends the other sessions of the user. Asks for the current password, throttled as at the sign-in: access to an open
   * browser must not be enough to take over an account.
   * @throws DomainError 400 `unusable_password` at its field, 429 `too_many_failed_sign_ins`
   */
  async changePassword(dto: ChangePasswordDto, principal: Principal, request: Request): Promise<void> {
    const { currentPassword, newPassword, repeatedPassword } = dto;
    if (newPassword !== repeatedPassword) {
      throw unusablePassword('repeatedPassword', 'this differs from the new password');
    }
    if (!(await this.signIns.isPasswordOf(principal.name, currentPassword, request))) {
      throw unusablePassword('currentPassword', 'this is not your password');
    }
    await this.users.setPassword(signedInUser(principal).id, newPassword, principal, 'newPassword');
  }

  /** The session of the request first, then those used last. */
  sessions(principal: Principal): Promise<OwnSession[]> {
    const { id, sessionHash } = signedInUser(principal);
    return selectSessions(this.database, id, sessionHash);
  }

  /** @throws DomainError 404 `session_not_found` for a session that has ended or belongs to another user */
  async endSession(sessionId: string, principal: Principal): Promise<void> {
    const { id } = signedInUser(principal);
    await this.database.transaction(async (transaction) => {
      if (!(await endSession(transaction, id, sessionId))) throw sessionNotFound(sessionId);
      await audit(transaction, principal, 'session_ended', id, { sessionId });
    });
  }

  /** Keeps the session of the request. */
  async endOtherSessions(principal: Principal): Promise<void> {
    const { id, sessionHash } = signedInUser(principal);
    await this.database.transaction(async (transaction) => {
      const sessionsEnded = await endSessions(transaction, id, sessionHash);
      await audit(transaction, principal, 'other_sessions_ended', id, { sessionsEnded });
    });
  }

  /** Includes the browser of the request. */
  async signOutEverywhere(principal: Principal): Promise<void> {
    await this.users.signOutEverywhere(signedInUser(principal).id, principal);
  }
}

function signedInUser({ user }: Principal): SignedInUser {
  if (user === undefined) throw personRequired();
  return user;
}
