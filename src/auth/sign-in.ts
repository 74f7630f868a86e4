import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DatabaseService } from '../platform/database/database.service.js';
import { writeAudit } from './audit.js';
import { invalidSignIn, tooManyFailedSignIns } from './auth.errors.js';
import { hashPassword, isOutdatedHash, passwordMatches } from './password-hash.js';
import { SessionsService } from './sessions.service.js';
import { networkOf, SignInThrottle } from './sign-in-throttle.js';

/** Many people may share one address, in an office; nobody mistypes one password ten times. */
const FAILURES_PER_ADDRESS = 20;
const FAILURES_PER_ACCOUNT = 10;

interface FoundUser {
  id: number;
  passwordHash: string;
}

/** E-mail and password to session. */
@Injectable()
export class SignIn {
  private readonly addresses = new SignInThrottle(FAILURES_PER_ADDRESS);
  private readonly accounts = new SignInThrottle(FAILURES_PER_ACCOUNT);

  constructor(
    private readonly database: DatabaseService,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * Answers the id of a new session; the one the browser came with ends.
   * @throws DomainError 401 `invalid_sign_in`, the same for whatever is wrong; 429 `too_many_failed_sign_ins`
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
    const better = isOutdatedHash(user.passwordHash) ? await hashPassword(password) : user.passwordHash;
    return this.database.transaction(async (transaction) => {
      const { rowCount } = await transaction.query(NOTE_SIGN_IN, [user.id, better, user.passwordHash]);
      if (rowCount === 0) throw invalidSignIn();
      await this.sessions.end(transaction, request);
      const id = await this.sessions.begin(transaction, user.id);
      await writeAudit(transaction, { actor: `user:${user.id}`, action: 'signed_in' });
      return id;
    });
  }

  /** Ends the session of the request, if it has one. */
  async signOut(request: Request): Promise<void> {
    const person = await this.sessions.principalOf(request);
    if (person === null) return;
    await this.database.transaction(async (transaction) => {
      await this.sessions.end(transaction, request);
      await writeAudit(transaction, { actor: person.id, action: 'signed_out' });
    });
  }

  /**
   * Is it the password of the account? For whoever is signed in and shall prove to be the person still.
   * @throws DomainError 429 `too_many_failed_sign_ins`
   */
  async isPasswordOf(email: string, password: string, request: Request): Promise<boolean> {
    return (await this.throttled(email, request, () => this.verify(email, password))) !== null;
  }

  /** Refuses even the right password after too many failures: else only guesses that do not matter were slowed down. */
  private async throttled(
    account: string,
    request: Request,
    verify: () => Promise<FoundUser | null>,
  ): Promise<FoundUser | null> {
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
      // The address keeps its failures: with one account of one's own one could go on guessing at the others.
      this.addresses.takeBack(address);
      this.accounts.forget(account);
    }
    return user;
  }

  private async verify(email: string, password: string): Promise<FoundUser | null> {
    const { rows } = await this.database.query<FoundUser>(FIND, [email]);
    const [user] = rows;
    const right = await passwordMatches(password, user?.passwordHash);
    return right && user !== undefined ? user : null;
  }
}

const FIND = `
  SELECT user_id AS id, password_hash AS "passwordHash" FROM app_user
  WHERE email = $1 AND disabled_at IS NULL`;

// Only for the password that was verified: it may have been changed meanwhile, or its owner disabled, and this session
// would be one that nobody ends.
const NOTE_SIGN_IN = `
  UPDATE app_user SET last_signed_in_at = now(), password_hash = $2
  WHERE user_id = $1 AND password_hash = $3 AND disabled_at IS NULL`;
