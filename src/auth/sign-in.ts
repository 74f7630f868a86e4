import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isEmail } from 'class-validator';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { RefusalLog } from './access.js';
import { writeAudit } from './audit.js';
import { invalidSignIn } from './auth.errors.js';
import { knownBrowserOf, newKnownBrowser } from './browser-session.js';
import { localSignInOff } from './oidc.errors.js';
import { hashPassword, isOutdatedHash, passwordMatches } from './passwords.js';
import { SessionsService } from './sessions.service.js';
import { SignInThrottle } from './sign-in-throttle.js';
import { recordSignIn, selectPassword, type StoredPassword } from './users.sql.js';

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
