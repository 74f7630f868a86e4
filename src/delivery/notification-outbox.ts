import { Injectable, Logger } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import type { Transaction } from '../platform/database/transaction.js';
import { errorStack } from '../platform/errors.js';
import { NotificationQueue } from './delivery-queues.js';
import { insertNotification, type NewNotification, selectDueNotifications } from './notifications.sql.js';

/** How many due mails are woken at a time: as many as Redis should hold, the next ones follow as these are sent. */
const WAKE_AT_A_TIME = 1_000;

/** One due mail is woken at most once in this time, lest a backlog grow in Redis with every look at it. */
const WAKE_AGAIN_AFTER_MS = 30_000;

/**
 * The mails that are owed. They live in PostgreSQL, written with what they tell about; a job in Redis only wakes
 * somebody to send one. A job too many is harmless: whoever comes second finds nothing to claim.
 */
@Injectable()
export class NotificationOutbox {
  private readonly logger = new Logger(NotificationOutbox.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly queue: NotificationQueue,
  ) {}

  /** Owes one mail per batch and kind; answers its id, also when it is owed already. Call `wake` after the commit. */
  add(transaction: Transaction, notification: NewNotification): Promise<number> {
    return insertNotification(transaction, notification);
  }

  /** Has the mails sent soon. Never throws and never waits long for Redis: what is not woken now is woken when due. */
  wake(notificationIds: readonly number[]): Promise<void> {
    return this.queue.add(notificationIds.map((notificationId) => ({ notificationId })));
  }

  /** Has one mail tried again later. As `wake`; the time that counts is the one in PostgreSQL. */
  wakeLater(notificationId: number, delayMs: number): Promise<void> {
    return this.queue.add([{ notificationId, delayMs }]);
  }

  /**
   * Wakes every mail that is due and those whose sender fell silent. For the reconciler: to be called again and
   * again. Never throws.
   */
  async wakeDue(): Promise<void> {
    try {
      const due = await selectDueNotifications(this.database, WAKE_AT_A_TIME);
      const period = Math.floor(Date.now() / WAKE_AGAIN_AFTER_MS);
      await this.queue.add(
        // The attempt is in the id, so that a job of an attempt that failed never stands in the way of the next.
        due.map(({ id, attempts }) => ({ notificationId: id, jobId: `${id}.${attempts}.${period}` })),
      );
    } catch (error) {
      this.logger.error({ message: 'mails that are due could not be looked for' }, errorStack(error));
    }
  }
}
