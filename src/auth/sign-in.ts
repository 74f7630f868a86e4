import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DatabaseService } from '../platform/database/database.service.js';
import { writeAudit } from './audit.js';
import { invalidSignIn, tooManyFailedSignIns } from './auth.errors.js';
import { hashPassword, isOutdatedHash, passwordMatches } from './password-hash.js';
import { SessionsService } from './sessions.service.js';
import { networkOf, SignInThrottle } from './sign-in-throttle.js';
import { recordSignIn, selectPassword, type StoredPassword } from './users.sql.js';

/** Many users of an office may share one address; no one mistypes one password ten times. */
const FAILURES_PER_ADDRESS = 20;
const FAILURES_PER_ACCOUNT = 10;

/** Turns e-mail address and password into a session. */
@Injectable()
export class SignIn {
  private readonly addresses = new SignInThrottle(FAILURES_PER_ADDRESS);
  private readonly accounts = new SignInThrottle(FAILURES_PER_ACCOUNT);

  constructor(
    private readonly database: DatabaseService,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * Answers the id of a new session and ends the one of the request.
   * @throws DomainError 401 `invalid_sign_in`, whatever was wrong; 429 `too_many_failed_sign_ins`
   */
  async signIn(email: string, password: string, request: Request): Promise<string> {
    const account = email.trim().toLowerCase();
    const user = await this.throttled(account, request, () => this.verify(account, password));
    if (user === null) {
      await writeAudit(this.database, {
        actor: null,
        action: 'sign_in_failed',
        details: { email: account.slice(0, 254) },
      });
      throw invalidSignIn();
    }
    const newHash = isOutdatedHash(user.passwordHash) ? await hashPassword(password) : user.passwordHash;
    return this.database.transaction(async (transaction) => {
      if (!(await recordSignIn(transaction, user, newHash))) throw invalidSignIn();
      await this.sessions.end(transaction, request);
      const id = await this.sessions.begin(transaction, user.id);
      await writeAudit(transaction, { actor: `user:${user.id}`, action: 'signed_in' });
      return id;
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
   * Tells whether the password is that of the account, for a signed-in user who must authenticate again.
   * @throws DomainError 429 `too_many_failed_sign_ins`
   */
  async isPasswordOf(email: string, password: string, request: Request): Promise<boolean> {
    return (await this.throttled(email, request, () => this.verify(email, password))) !== null;
  }

  /** Refuses even the right password after too many failures; otherwise only wrong guesses would be slowed down. */
  private async throttled(
    account: string,
    request: Request,
    verify: () => Promise<StoredPassword | null>,
  ): Promise<StoredPassword | null> {
    const address = networkOf(request.ip ?? '');
    const wait = Math.max(this.addresses.secondsToWait(address), this.accounts.secondsToWait(account));
    if (wait > 0) throw tooManyFailedSignIns(wait);
    this.addresses.begin(address);
    this.accounts.begin(account);
    const user = await verify().catch((error: unknown) => {
      this.addresses.takeBack(address);
      this.accounts.takeBack(account);
      throw error;
    });
    if (user !== null) {
      // The address keeps its failures: otherwise an attacker with one account could go on guessing at others.
      this.addresses.takeBack(address);
      this.accounts.forget(account);
    }
    return user;
  }

  private async verify(email: string, password: string): Promise<StoredPassword | null> {
    const user = await selectPassword(this.database, email);
    const right = await passwordMatches(password, user?.passwordHash);
    return right && user !== undefined ? user : null;
  }
}
