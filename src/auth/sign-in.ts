import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isEmail } from 'class-validator';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import type { DomainError } from '../platform/errors.js';
import { RefusalLog } from './access.js';
import { writeAudit } from './audit-log.sql.js';
import {
  confirmationRequired,
  invalidSignIn,
  localSignInOff,
  oidcEmailTaken,
  oidcNoEmail,
  oidcNoRole,
  oidcNotConfigured,
  oidcSignInFailed,
  oidcUserDisabled,
  personRequired,
  unusablePassword,
} from './auth.errors.js';
import { type Identity, IdentityProvider, type PendingSignIn, roleOf } from './identity-provider.js';
import { hashPassword, isOutdatedHash, passwordMatches } from './passwords.js';
import type { Principal, SignedInUser, UserRole } from './principal.js';
import {
  confirmIdentity,
  confirmSession,
  endSessions,
  knownBrowserOf,
  newKnownBrowser,
  SessionsService,
} from './sessions.service.js';
import { SignInThrottle } from './sign-in-throttle.js';
import {
  insertUser,
  linkIdentity,
  lockUserByIdentity,
  type ProviderUser,
  recordProviderSignIn,
  recordSignIn,
  selectPassword,
  type StoredPassword,
  updateEmail,
} from './users.sql.js';

export interface SignedIn {
  sessionId: string;
  /** The proof that this browser has signed in to the account. */
  knownBrowser: string;
}

/** Turns e-mail address and password into a session. */
@Injectable()
export class SignIn {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly sessions: SessionsService,
    private readonly throttle: SignInThrottle,
    private readonly refusals: RefusalLog,
  ) {}

  /**
   * Begins a session and ends the one of the request.
   * @throws DomainError 401 `invalid_sign_in`, whatever was wrong; 429 `too_many_failed_sign_ins`; 403
   *   `local_sign_in_off`
   */
  async signIn(email: string, password: string, request: Request): Promise<SignedIn> {
    if (!this.config.localSignIn) throw localSignInOff();
    const account = email.trim().toLowerCase();
    const user = await this.verify(account, password, request);
    if (user === null) {
      const details = attempted(account);
      const entry = { actor: null, action: 'sign_in_failed', details };
      await this.refusals.note(request, entry, JSON.stringify(details));
      throw invalidSignIn();
    }
    const newHash = isOutdatedHash(user.passwordHash) ? await hashPassword(password) : user.passwordHash;
    return this.database.transaction(async (transaction) => {
      if (!(await recordSignIn(transaction, user, newHash))) throw invalidSignIn();
      await this.sessions.end(transaction, request);
      const sessionId = await this.sessions.begin(transaction, user.id, request, 'password');
      await writeAudit(transaction, { actor: `user:${user.id}`, action: 'signed_in' });
      const known = { email: account, passwordHash: newHash };
      return { sessionId, knownBrowser: newKnownBrowser(known, this.config.sessionSecret) };
    });
  }

  /** Ends the session of the request, if it has one. */
  async signOut(request: Request): Promise<void> {
    const user = await this.sessions.principalOf(request);
    if (user === null) return;
    await this.database.transaction(async (transaction) => {
      await this.sessions.end(transaction, request);
      await writeAudit(transaction, { actor: user.id, action: 'signed_out' });
    });
  }

  /**
   * Returns whether the password belongs to the account, for a signed-in user who must authenticate again.
   * @throws DomainError 429 `too_many_failed_sign_ins`
   */
  async isPasswordOf(email: string, password: string, request: Request): Promise<boolean> {
    return (await this.verify(email, password, request)) !== null;
  }

  /**
   * Refuses even the right password after too many failures; otherwise only wrong guesses would be slowed down.
   * @throws DomainError 429 `too_many_failed_sign_ins`
   */
  private async verify(account: string, password: string, request: Request): Promise<StoredPassword | null> {
    const user = await selectPassword(this.database, account);
    const known = user && { email: account, passwordHash: user.passwordHash };
    const attempt = await this.throttle.begin({
      account,
      address: request.ip ?? '',
      knownBrowser: knownBrowserOf(request, known, this.config),
    });
    const right = await passwordMatches(password, user?.passwordHash).catch(async (error: unknown) => {
      await attempt.takeBack();
      throw error;
    });
    if (!right || user === undefined) return null;
    await attempt.succeed();
    return user;
  }
}

/** Users mistype: a text that is not an address may be the password, so only its hash is kept. */
function attempted(account: string): Record<string, string> {
  if (isEmail(account, { require_tld: false })) return { email: account.slice(0, 254) };
  return { emailHash: createHash('sha256').update(account).digest('hex').slice(0, 16) };
}

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

/**
 * Before users, roles and keys change, the user proves again who is at the browser: an unlocked screen must not be
 * enough to create an administrator or a key that stays.
 */
@Injectable()
export class Reauthentication {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly provider: IdentityProvider,
    private readonly signIns: SignIn,
    private readonly refusals: RefusalLog,
  ) {}

  /** The last sign-in or confirmation is too old. API keys have no sign-in. */
  isDue({ user }: Principal): boolean {
    const { confirmSignInMinutes: minutes } = this.config;
    return user !== undefined && minutes > 0 && user.confirmedSecondsAgo >= minutes * 60;
  }

  /** For routes of the API, which cannot ask. @throws DomainError 403 `confirmation_required` */
  assertRecent(principal: Principal): void {
    if (this.isDue(principal)) throw confirmationRequired(this.config.confirmSignInMinutes);
  }

  /**
   * Confirms the session by the password of its user, throttled as at the sign-in.
   * @throws DomainError 400 `unusable_password` at `confirmPassword`, 429 `too_many_failed_sign_ins`
   */
  async confirm(principal: Principal, password: string, request: Request): Promise<void> {
    const { id, sessionHash } = signedIn(principal);
    if (!(await this.signIns.isPasswordOf(principal.name, password, request))) {
      await this.noteFailure(id, request);
      throw unusablePassword('confirmPassword', 'this is not your password');
    }
    await confirmSession(this.database, sessionHash);
    await this.noteSuccess(id);
  }

  /**
   * Confirms the session by a new sign-in with the identity provider, as the same person.
   * @throws DomainError 401 `oidc_sign_in_failed`, 503 `oidc_unavailable`
   */
  async confirmAtProvider(
    query: string,
    pending: PendingSignIn,
    principal: Principal,
    request: Request,
  ): Promise<void> {
    const { id, sessionHash } = signedIn(principal);
    const { oidc } = this.config;
    if (oidc === undefined) throw oidcNotConfigured();
    const identity = await this.provider.complete(query, pending);
    if (!(await confirmIdentity(this.database, sessionHash, identity))) {
      await this.noteFailure(id, request);
      throw oidcSignInFailed(oidc.name, new Error('another person has signed in'));
    }
    await this.noteSuccess(id);
  }

  private noteSuccess(id: number): Promise<void> {
    return writeAudit(this.database, { actor: `user:${id}`, action: 'sign_in_confirmed' });
  }

  private noteFailure(id: number, request: Request): Promise<void> {
    return this.refusals.note(request, { actor: `user:${id}`, action: 'confirmation_failed' }, '');
  }
}

function signedIn({ user }: Principal): SignedInUser {
  if (user === undefined) throw personRequired();
  return user;
}
