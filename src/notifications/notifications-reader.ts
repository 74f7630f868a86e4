import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';
import { selectNotifications, type StoredNotification } from './sql/select-notifications.js';

/** Reads the mails of a batch, those that were never sent for want of an SMTP server too. */
@Injectable()
export class NotificationsReader {
  constructor(private readonly database: DatabaseService) {}

  /** Oldest first. Whether the caller may see the batch is for the caller to have checked. */
  listByBatch(batchId: number): Promise<StoredNotification[]> {
    return selectNotifications(this.database, batchId);
  }
}
