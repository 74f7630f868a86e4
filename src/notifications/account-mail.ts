import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountMails } from '../auth/account-links.js';
import { issueToken, LINK_HOURS } from '../auth/account-links.sql.js';
import { hashKey } from '../auth/authenticator.js';
import { assertMayReceiveMail } from '../delivery/mailer.js';
import { type MessageRenderer, MessageRenderers, type OutgoingMessage } from '../delivery/message-sender.js';
import { type ClaimedMessage, DeliveryFault, NO_AUTOMATIC_REPLIES } from '../delivery/message.js';
import { Outbox } from '../delivery/outbox.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { ACCOUNT_MAILS } from './mail-texts.js';

/** Puts the mails of accounts into the outbox; for API processes. */
@Injectable()
export class OutboxAccountMails extends AccountMails {
  constructor(
    private readonly config: AppConfig,
    private readonly outbox: Outbox,
  ) {
    super();
  }

  assertMayReceive(email: string): void {
    assertMayReceiveMail(this.config, { email });
  }

  add(transaction: Transaction, linkId: number, recipient: string): Promise<number> {
    return this.outbox.addAccountMail(transaction, { linkId, recipient });
  }

  wake(mailId: number): Promise<void> {
    return this.outbox.wake('account_mail', [mailId]);
  }
}

/**
 * Writes the mails of accounts; for worker processes. The token of the link is made here, for this attempt: neither the
 * database nor a backup ever contains a link that works.
 */
@Injectable()
export class AccountMailRenderer implements MessageRenderer, OnModuleInit {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly renderers: MessageRenderers,
  ) {}

  onModuleInit(): void {
    this.renderers.register('account_mail', this);
  }

  async render({
    id,
    accountLinkId,
    recipient,
    createdAt,
    attempts,
  }: ClaimedMessage): Promise<OutgoingMessage> {
    const { publicUrl, smtpUrl } = this.config;
    const token = randomBytes(32).toString('base64url');
    const purpose =
      accountLinkId === null ? undefined : await issueToken(this.database, accountLinkId, hashKey(token));
    if (purpose === undefined) throw new DeliveryFault('the link has expired or was replaced', true);
    const { subject, lines } = ACCOUNT_MAILS[purpose];
    const values: Readonly<Record<string, string>> = {
      url: `${publicUrl}/login/link?token=${token}`,
      site: publicUrl,
      hours: String(LINK_HOURS[purpose]),
      days: String(LINK_HOURS[purpose] / 24),
    };
    const text = lines.join('\n').replace(/\{(\w+)\}/g, (word, name: string) => values[name] ?? word);
    const mail = {
      to: recipient,
      subject,
      // Without a mail server nothing is sent, and the text would be of no use.
      text: smtpUrl === undefined ? '' : text,
      html: null,
      messageId: `<account-${id}.${createdAt.getTime()}.${attempts}@${new URL(publicUrl).hostname}>`,
      headers: { ...NO_AUTOMATIC_REPLIES },
    };
    return { channel: 'mail', mail };
  }
}
