import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { type SharedLimit, SharedLimits } from '../platform/shared-limits.js';
import { deleteLinks, insertLink, type LinkedUser, selectLink, useLink } from './account-links.sql.js';
import { writeAudit } from './audit-log.sql.js';
import { accountLinkInvalid, mailIsOff, tooManyFailedSignIns, unusablePassword } from './auth.errors.js';
import { hashKey } from './authenticator.js';
import { assertUsablePassword, hashPassword } from './passwords.js';
import type { Principal } from './principal.js';
import { endSessions } from './sessions.service.js';
import { networkOf } from './sign-in-throttle.js';
import type { NewPasswordDto } from './users.dto.js';
import { selectPassword, selectUser, updatePassword } from './users.sql.js';

/** What accounts need of the outbox, which belongs to a folder of the same layer; a layer above provides it. */
export abstract class AccountMails {
  /** @throws DomainError 400 if no mail may go to the address */
  abstract assertMayReceive(email: string): void;
  /** Stores the mail with the link. Returns its id; call `wake` after the commit. */
  abstract add(transaction: Transaction, linkId: number, recipient: string): Promise<number>;
  abstract wake(mailId: number): Promise<void>;
}

const WINDOW_SECONDS = 15 * 60;
const REQUESTS_PER_NETWORK = 10;
/** More requests for one account cause no further mail, and nobody learns of it. */
const REQUESTS_PER_ACCOUNT = 3;

/** Invitations, and the reset of forgotten passwords, by links that are mailed. */
@Injectable()
export class AccountLinks implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger(AccountLinks.name);
  private readonly working = new Set<Promise<void>>();
  private limits: Record<'networks' | 'accounts', SharedLimit> | undefined;

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly mails: AccountMails,
    private readonly shared: SharedLimits,
  ) {}

  onModuleInit(): void {
    const limit = (name: string, points: number) =>
      this.shared.limit({ name: `reset:${name}`, points, windowSeconds: WINDOW_SECONDS });
    this.limits = {
      networks: limit('network', REQUESTS_PER_NETWORK),
      accounts: limit('account', REQUESTS_PER_ACCOUNT),
    };
  }

  /** Whether links can be mailed: a mail server and passwords are configured. */
  get available(): boolean {
    return this.config.smtpUrl !== undefined && this.config.localSignIn;
  }

  /** @throws DomainError 409 `mail_is_off`, 400 for an address that must not receive mail */
  assertCanInvite(email: string): void {
    if (!this.available) throw mailIsOff();
    this.mails.assertMayReceive(email);
  }

  /** Mails a link by which the user sets the first password. An earlier link no longer works. */
  async invite(id: number, by: Principal): Promise<void> {
    const user = await selectUser(this.database, id);
    if (user === undefined || !user.isInvited) throw accountLinkInvalid();
    this.assertCanInvite(user.email);
    const mailId = await this.database.transaction(async (transaction) => {
      const linkId = await insertLink(transaction, id, 'invitation');
      await writeAudit(transaction, { actor: by.id, action: 'user_invited', subject: `user:${id}` });
      return this.mails.add(transaction, linkId, user.email);
    });
    await this.mails.wake(mailId);
  }

  /**
   * Mails a link to the user with this address, if there is one. The answer is the same, and takes as long, for an
   * address that no user has: the work begins after it.
   * @throws DomainError 429 `too_many_failed_sign_ins`, whatever the address; 409 `mail_is_off`
   */
  async requestReset(address: string, request: Request): Promise<void> {
    if (!this.available || this.limits === undefined) throw mailIsOff();
    const { allowed, seconds } = await this.limits.networks.take(networkOf(request.ip ?? ''));
    if (!allowed) throw tooManyFailedSignIns(seconds);
    const work = this.mailReset(address.trim().toLowerCase(), this.limits.accounts).catch((error: unknown) =>
      this.logger.error(`A mail for a new password was not stored: ${String(error)}`),
    );
    this.working.add(work);
    void work.finally(() => this.working.delete(work));
  }

  /** For the page of a link. @throws DomainError 410 `account_link_invalid` */
  async find(token: string): Promise<LinkedUser> {
    const user = await selectLink(this.database, hashKey(token));
    if (user === undefined) throw accountLinkInvalid();
    return user;
  }

  /**
   * Sets the password, uses the link up and ends all sessions.
   * @throws DomainError 410 `account_link_invalid`, 400 `unusable_password` at its field
   */
  async setPassword({ token, newPassword, repeatedPassword }: NewPasswordDto): Promise<void> {
    const { email } = await this.find(token);
    if (newPassword !== repeatedPassword) {
      throw unusablePassword('repeatedPassword', 'this differs from the new password');
    }
    assertUsablePassword(newPassword, email, 'newPassword');
    const hash = await hashPassword(newPassword);
    await this.database.transaction(async (transaction) => {
      const user = await useLink(transaction, hashKey(token));
      if (user === undefined) throw accountLinkInvalid();
      const { userId, purpose } = user;
      await updatePassword(transaction, userId, hash, false);
      await deleteLinks(transaction, userId);
      const sessionsEnded = await endSessions(transaction, userId);
      await writeAudit(transaction, {
        actor: `user:${userId}`,
        action: purpose === 'reset' ? 'password_reset' : 'invitation_accepted',
        subject: `user:${userId}`,
        details: { sessionsEnded },
      });
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.working);
  }

  private async mailReset(email: string, accounts: SharedLimit): Promise<void> {
    const user = await selectPassword(this.database, email);
    if (user === undefined || !(await accounts.take(String(user.id))).allowed) return;
    const mailId = await this.database.transaction(async (transaction) => {
      const linkId = await insertLink(transaction, user.id, 'reset');
      const subject = `user:${user.id}`;
      await writeAudit(transaction, { actor: null, action: 'password_reset_requested', subject });
      return this.mails.add(transaction, linkId, email);
    });
    await this.mails.wake(mailId);
  }
}
