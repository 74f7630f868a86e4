import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit-log.sql.js';
import type { Principal } from '../auth/principal.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { DeliveryStatus, StoredNotification } from '../delivery/message.js';
import { Outbox } from '../delivery/outbox.js';
import { resendMessage, selectBatchOfMail, selectNotifications } from '../delivery/outbox.sql.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page, pageOf } from '../platform/http/pagination.js';
import { type MailboxEntry, selectBehaviorMails, selectNotificationMails } from './mailbox.sql.js';
import { mailIsBeingSent, mailNotFound } from './notifications.errors.js';

export type { MailboxEntry };

/** Reads the mails about a batch, including those that could not be sent because no SMTP server was configured. */
@Injectable()
export class NotificationsReader {
  constructor(private readonly database: DatabaseService) {}

  /** Oldest first. The caller must have checked that the batch is visible to the principal. */
  listByBatch(batchId: number): Promise<StoredNotification[]> {
    return selectNotifications(this.database, batchId);
  }
}

export interface MailboxQuery {
  /** Mails about batches, or mails that actions sent. */
  of: 'imports' | 'actions';
  status?: DeliveryStatus | undefined;
  after?: string | undefined;
}

const PAGE = 50;

/** All mails of the application, sent or not, for people to read and resend. */
@Injectable()
export class Mailbox {
  constructor(
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly outbox: Outbox,
  ) {}

  /** Newest first. @throws DomainError 400 `invalid_cursor` */
  async page({ of, status, after }: MailboxQuery, principal: Principal): Promise<Page<MailboxEntry>> {
    const list = `Mailbox ${of}`;
    const select = of === 'imports' ? selectNotificationMails : selectBehaviorMails;
    const rows = await select(this.database, {
      status,
      before: after === undefined ? undefined : decodeCursor(list, after, HIGHEST_ID)[0],
      limit: PAGE + 1,
      importProcessIds: principal.importProcessIds,
    });
    return pageOf(
      rows,
      PAGE,
      ({ id }) => encodeCursor(list, [id]),
      (row) => row,
    );
  }

  /**
   * Sends a mail about a batch again.
   * @throws DomainError 404 `mail_not_found`, 403 `import_process_not_allowed`, 409 `state_conflict`
   */
  async resend(id: number, principal: Principal): Promise<void> {
    const batchId = await selectBatchOfMail(this.database, id);
    if (batchId === undefined) throw mailNotFound(String(id));
    await this.batches.row(batchId, principal);
    await this.database.transaction(async (transaction) => {
      if (!(await resendMessage(transaction, { kinds: ['batch_mail'], id }))) throw mailIsBeingSent(id);
      const subject = `batch:${batchId}`;
      await writeAudit(transaction, { actor: principal.id, action: 'mail_resent', subject, details: { id } });
    });
    await this.outbox.wake('batch_mail', [id]);
  }
}
