import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import type { DomainError } from '../platform/domain-error.js';
import { RefusalLog } from './access.js';
import { writeAudit } from './audit.js';
import { IdentityProvider, type PendingSignIn } from './identity-provider.js';
import { type Identity, roleOf } from './oidc-identity.js';
import {
  oidcEmailTaken,
  oidcNoEmail,
  oidcNoRole,
  oidcNotConfigured,
  oidcSignInFailed,
  oidcUserDisabled,
} from './oidc.errors.js';
import type { UserRole } from './principal.js';
import { endSessions, SessionsService } from './sessions.service.js';
import { SignInThrottle } from './sign-in-throttle.js';
import {
  insertUser,
  linkIdentity,
  lockUserByIdentity,
  type ProviderUser,
  recordProviderSignIn,
  updateEmail,
} from './users.sql.js';

/** Who changed a role that the groups of a user decide. */
const ACTOR = 'OIDC';

/** Turns a sign-in at the identity provider into a session. Users are created at their first sign-in. */
@Injectable()
export class OidcSignIn {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly provider: IdentityProvider,
    private readonly sessions: SessionsService,
    private readonly throttle: SignInThrottle,
    private readonly refusals: RefusalLog,
  ) {}

  /**
   * Begins a session and ends the one of the request. The role follows the groups at each sign-in.
   * @param pending what the browser kept since the begin; `null` if it kept nothing
   * @returns the id of the session
   * @throws DomainError 401 `oidc_sign_in_failed`, 403 with the reason, 429 `too_many_failed_sign_ins`, 503
   *   `oidc_unavailable`
   */
  async complete(query: string, pending: PendingSignIn | null, request: Request): Promise<string> {
    const attempt = await this.throttle.beginFrom(request.ip ?? '');
    try {
      const sessionId = await this.enter(query, pending, request);
      await attempt.succeed();
      return sessionId;
    } catch (error) {
      // Only what could be an attack counts: not someone without a role, and not a provider that is down.
      if ((error as Partial<DomainError>).status !== 401) await attempt.takeBack();
      throw error;
    }
  }

  private async enter(query: string, pending: PendingSignIn | null, request: Request): Promise<string> {
    const identity = await this.identity(query, pending).catch((error: unknown) =>
      this.refuse(error, null, request),
    );
    const role = roleOf(identity.groups, this.settings.roles);
    if (role === null) {
      await this.endAccess(identity);
      return this.refuse(oidcNoRole(this.settings.name), identity, request);
    }
    return this.database
      .transaction(async (transaction) => {
        const user = await this.userOf(transaction, identity, role);
        await this.sessions.end(transaction, request);
        const id = await this.sessions.begin(transaction, user.id, request, 'oidc');
        await writeAudit(transaction, {
          actor: `user:${user.id}`,
          action: 'signed_in',
          details: { method: 'oidc', role },
        });
        return id;
      })
      .catch((error: unknown) => this.refuse(error, identity, request));
  }

  private get settings() {
    if (this.config.oidc === undefined) throw oidcNotConfigured();
    return this.config.oidc;
  }

  private async identity(query: string, pending: PendingSignIn | null): Promise<Identity> {
    if (pending === null) throw oidcSignInFailed(this.settings.name, new Error('no sign-in has begun'));
    return this.provider.complete(query, pending);
  }

  private async userOf(sql: Sql, identity: Identity, role: UserRole): Promise<ProviderUser> {
    const { issuer, subject, email, emailIsVerified } = identity;
    const found = await lockUserByIdentity(sql, identity);
    if (found?.subject === subject && found.issuer === issuer) {
      const user = await this.known(sql, found, role);
      await this.followAddress(sql, found, identity);
      return user;
    }
    if (email === null) throw oidcNoEmail(this.settings.name);
    if (found === undefined) return this.create(sql, { ...identity, email }, role);
    // A user of the provider with this address and another subject is another person.
    if (!emailIsVerified || found.subject !== null) throw oidcEmailTaken(this.settings.name, email);
    await linkIdentity(sql, found.id, identity);
    const sessionsEnded = await endSessions(sql, found.id);
    await audit(sql, 'user_linked', found.id, { issuer, sessionsEnded });
    return this.known(sql, found, role);
  }

  private async known(sql: Sql, user: ProviderUser, role: UserRole): Promise<ProviderUser> {
    if (!user.enabled) throw oidcUserDisabled();
    await recordProviderSignIn(sql, user.id, role);
    if (user.role !== role) {
      const sessionsEnded = await endSessions(sql, user.id);
      await audit(sql, 'user_role_changed', user.id, { from: user.role, to: role, sessionsEnded });
    }
    return user;
  }

  private async create(
    sql: Sql,
    identity: Identity & { email: string },
    role: UserRole,
  ): Promise<ProviderUser> {
    const { email, issuer, subject } = identity;
    const user = { email, role, passwordHash: null, importProcessIds: null, createdBy: ACTOR };
    const id = await insertUser(sql, { ...user, passwordIsTemporary: false });
    await linkIdentity(sql, id, identity);
    await recordProviderSignIn(sql, id, role);
    await audit(sql, 'user_created', id, { email, role, issuer });
    return { id, role, issuer, subject, email, enabled: true };
  }

  /** The subject identifies the user, so a new address is the same person's; only a verified one is believed. */
  private async followAddress(
    sql: Sql,
    { id, email: from }: ProviderUser,
    identity: Identity,
  ): Promise<void> {
    const { email: to, emailIsVerified } = identity;
    if (to === null || to === from || !emailIsVerified) return;
    if (await updateEmail(sql, id, to)) await audit(sql, 'user_email_changed', id, { from, to });
  }

  /** The user has lost all groups that have a role: sessions end now, not only when they are too old. */
  private async endAccess(identity: Identity): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const user = await lockUserByIdentity(transaction, identity);
      if (user?.subject === identity.subject) await endSessions(transaction, user.id);
    });
  }

  private async refuse(error: unknown, identity: Identity | null, request: Request): Promise<never> {
    const { code = 'internal_error' } = error as Partial<DomainError>;
    const details = { method: 'oidc', reason: code, ...(identity && { email: identity.email }) };
    const entry = { actor: null, action: 'sign_in_failed', details };
    await this.refusals.note(request, entry, JSON.stringify(details));
    throw error;
  }
}

const audit = (sql: Sql, action: string, id: number, details: Record<string, unknown>) =>
  writeAudit(sql, { actor: ACTOR, action, subject: `user:${id}`, details });
