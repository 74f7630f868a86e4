import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { SecretBox } from '../platform/secret-box.js';
import { type SealedMessage, selectWebhooksToSeal, updateSealedMessages } from './outbox.sql.js';

/** Rows per transaction, so that no sender waits for long. */
const STEP_ROWS = 1_000;

/**
 * Encrypts the URLs and secrets of the webhooks in the outbox with the present key at every start, as those of workflow
 * definitions are: those that an earlier version stored in clear, and those with a key that is to be removed.
 */
@Injectable()
export class OutboxSecretsAtRest implements OnApplicationBootstrap {
  private readonly logger = new Logger(OutboxSecretsAtRest.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly secrets: SecretBox,
  ) {}

  /** A start does not fail because of secrets: everything else works without them. */
  async onApplicationBootstrap(): Promise<void> {
    const prefix = this.secrets.currentPrefix;
    if (prefix === null) return;
    try {
      let sealed = 0;
      for (let after: number | null = 0; after !== null;) {
        const from: number = after;
        const step = await this.database.transaction((transaction) => this.seal(transaction, from, prefix));
        sealed += step.sealed;
        after = step.last;
      }
      if (sealed > 0) this.logger.log(`${sealed} webhooks in the outbox are encrypted with the present key.`);
    } catch (error) {
      this.logger.error('Webhooks in the outbox could not be encrypted', error);
    }
  }

  /** `last` is `null` after the last row, or while another process is at it. */
  private async seal(
    transaction: Transaction,
    after: number,
    prefix: string,
  ): Promise<{ sealed: number; last: number | null }> {
    if (!(await tryLock(transaction, 'outboxSecrets'))) return { sealed: 0, last: null };
    const webhooks = await selectWebhooksToSeal(transaction, { after, limit: STEP_ROWS, prefix });
    const changed = webhooks.flatMap((webhook) => this.sealed(webhook));
    await updateSealedMessages(transaction, changed);
    return { sealed: changed.length, last: webhooks.at(-1)?.id ?? null };
  }

  /** Empty if the key of a value is gone. */
  private sealed({ id, recipient, secret }: SealedMessage): SealedMessage[] {
    try {
      const url = this.secrets.seal(recipient);
      return [{ id, recipient: url, secret: secret === null ? null : this.secrets.seal(secret) }];
    } catch (error) {
      this.logger.error(`Webhook ${id}: ${String(error)}`);
      return [];
    }
  }
}
