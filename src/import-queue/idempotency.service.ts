import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import type { JsonObject } from '../platform/json/json-value.js';
import { idempotencyKeyInUse } from './import-queue.errors.js';

/** How long a dead call blocks its key. A live call renews its lock four times in this period. */
const LOCK_SECONDS = 10;

/** The key is held by this call until it is completed or released. */
export interface HeldKey {
  kind: 'held';
  principal: string;
  key: string;
  owner: string;
  renewal: NodeJS.Timeout;
}

/** The first call was answered. A repeated request gets the same answer. */
export interface AnsweredKey {
  kind: 'answered';
  requestHash: Buffer;
  response: JsonObject;
}

/**
 * Idempotency keys, per principal. The transaction that stores a batch also stores the answer, so one never exists
 * without the other. A call that fails frees its key, because it stored nothing.
 */
@Injectable()
export class IdempotencyService {
  private readonly logger = new Logger(IdempotencyService.name);

  constructor(private readonly database: DatabaseService) {}

  /** @throws DomainError 409 `idempotency_key_in_use` while another call with this key runs */
  async acquire(principal: string, key: string): Promise<HeldKey | AnsweredKey> {
    const owner = randomUUID();
    const { rowCount } = await this.database.query(ACQUIRE, [principal, key, owner, LOCK_SECONDS]);
    if (rowCount === 1)
      return { kind: 'held', principal, key, owner, renewal: this.renewing(principal, key, owner) };

    const { rows } = await this.database.query<{ requestHash: Buffer | null; response: JsonObject | null }>(
      `SELECT request_hash AS "requestHash", response FROM idempotency_key WHERE principal = $1 AND key = $2`,
      [principal, key],
    );
    const [found] = rows;
    if (found?.response && found.requestHash)
      return { kind: 'answered', requestHash: found.requestHash, response: found.response };
    throw idempotencyKeyInUse();
  }

  /** Stores the answer together with the batch. @throws DomainError 409 if another call has taken over the key */
  async complete(
    transaction: Transaction,
    held: HeldKey,
    answer: { requestHash: Buffer; batchId: number; response: object },
  ): Promise<void> {
    const { rowCount } = await transaction.query(
      `UPDATE idempotency_key SET request_hash = $4, workflow_import_queue_batch_id = $5, response = $6
       WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL`,
      [
        held.principal,
        held.key,
        held.owner,
        answer.requestHash,
        answer.batchId,
        JSON.stringify(answer.response),
      ],
    );
    if (rowCount !== 1) throw idempotencyKeyInUse();
  }

  /** Ends the renewal, and frees the key if no answer was stored. Never throws: a lock left behind expires. */
  async release(held: HeldKey): Promise<void> {
    clearInterval(held.renewal);
    await this.database
      .query(
        'DELETE FROM idempotency_key WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL',
        [held.principal, held.key, held.owner],
      )
      .catch((error: unknown) =>
        this.logger.warn({ message: 'an Idempotency-Key stays locked', error: String(error) }),
      );
  }

  private renewing(principal: string, key: string, owner: string): NodeJS.Timeout {
    const renew = () => {
      // The next renewal makes up for a failed one. If all fail, the key is lost, and `complete` detects that.
      this.database.query(RENEW, [principal, key, owner, LOCK_SECONDS]).catch(() => undefined);
    };
    return setInterval(renew, (LOCK_SECONDS * 1000) / 4).unref();
  }
}

const ACQUIRE = `
  INSERT INTO idempotency_key AS held (principal, key, owner, locked_until)
  VALUES ($1, $2, $3, now() + make_interval(secs => $4))
  ON CONFLICT (principal, key) DO UPDATE SET owner = excluded.owner, locked_until = excluded.locked_until
    WHERE held.response IS NULL AND held.locked_until < now()`;

const RENEW = `
  UPDATE idempotency_key SET locked_until = now() + make_interval(secs => $4)
  WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL`;
