import { Injectable, type OnModuleInit } from '@nestjs/common';
import { resultsUrl } from '../batches/batch-resource.js';
import { type ClaimedMessage, DeliveryFault } from '../delivery/message.js';
import {
  type MessageRenderer,
  MessageRenderers,
  type OutgoingMessage,
} from '../delivery/message-renderers.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { countMailsOfLastHour } from './mailbox.sql.js';
import { readBatchSummary } from './batch-summary.js';
import { mailModel } from './mail-model.js';
import { MailRenderer } from './mail-renderer.js';

/** When a mail above the limit is looked at again. */
const RETRY_AFTER_MS = 10 * 60_000;

/** Writes the mails about batches. */
@Injectable()
export class BatchMails implements MessageRenderer, OnModuleInit {
  constructor(
    private readonly database: DatabaseService,
    private readonly renderer: MailRenderer,
    private readonly renderers: MessageRenderers,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.renderers.register('batch_mail', this);
  }

  /**
   * The Message-ID is the same on every attempt, so that receivers can recognize a double. It includes the time of
   * creation because a new database counts from 1 again.
   */
  async render({ id, batchId, recipient, createdAt }: ClaimedMessage): Promise<OutgoingMessage> {
    if (batchId === null) throw new Error(`mail ${id} is about no batch`);
    const { publicUrl } = this.config;
    const summary = await readBatchSummary(this.database, batchId);
    await this.assertWithinLimit(summary.batch.createdBy);
    const model = mailModel(summary, resultsUrl(publicUrl, batchId));
    const mail = {
      ...this.renderer.render(model),
      to: recipient,
      messageId: `<notification-${id}.${createdAt.getTime()}@${new URL(publicUrl).hostname}>`,
      headers: {
        'X-Workflow-Import-Queue-Batch-Id': String(batchId),
        // Keeps out-of-office replies from answering (RFC 3834).
        'Auto-Submitted': 'auto-generated',
      },
    };
    return { channel: 'mail', mail };
  }

  /**
   * Anyone who may send an import can name an address and a text, the file name, that we mail to it. Mails above the
   * limit wait. Concurrent senders may exceed it by as many as they are.
   */
  private async assertWithinLimit(createdBy: string): Promise<void> {
    const limit = this.config.mailsPerKeyPerHour;
    if (limit === 0 || !this.config.smtpUrl) return;
    if ((await countMailsOfLastHour(this.database, createdBy, limit)) < limit) return;
    throw new DeliveryFault(
      `the imports of ${createdBy} have caused ${limit} mails within an hour (MAILS_PER_KEY_PER_HOUR)`,
      false,
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }
}
