import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import type { Transaction } from '../platform/database/transaction.js';
import { DomainError } from '../platform/domain-error.js';
import type { JsonObject } from '../platform/json/json-value.js';

/** How long a call that died keeps its key from others; a living call renews it. */
const LOCK_SECONDS = 60;

/** The key is held by this call until it is completed or released. */
export interface HeldKey {
  kind: 'held';
  principal: string;
  key: string;
  owner: string;
  renewal: NodeJS.Timeout;
}

/** The first answer is there; whoever sends the same request gets it again. */
export interface AnsweredKey {
  kind: 'answered';
  requestHash: Buffer;
  response: JsonObject;
}

/**
 * Idempotency keys, per principal. The answer is stored in the transaction that stores the batch, so there is never
 * one without the other; a call that fails frees its key, since it stored nothing.
 */
@Injectable()
export class IdempotencyService {
  constructor(private readonly database: DatabaseService) {}

  /** @throws DomainError 409 `idempotency_key_in_use` while another call with the key runs */
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
    throw new DomainError(
      409,
      'idempotency_key_in_use',
      'The Idempotency-Key is in use',
      'A call with this Idempotency-Key is still running. Wait for its answer, then send the same call again to get it.',
      { headers: { 'Retry-After': '5' } },
    );
  }

  /** Stores the answer together with the batch. @throws when the key was lost to another call meanwhile */
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
    if (rowCount !== 1) throw new Error('the idempotency key was taken over by another call');
  }

  /** Ends the renewal, and frees the key if no answer was stored. */
  async release(held: HeldKey): Promise<void> {
    clearInterval(held.renewal);
    await this.database.query(
      'DELETE FROM idempotency_key WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL',
      [held.principal, held.key, held.owner],
    );
  }

  private renewing(principal: string, key: string, owner: string): NodeJS.Timeout {
    const renew = () => {
      // A renewal that fails is made up for by the next; if none succeeds the key is lost, which `complete` notices.
      this.database.query(RENEW, [principal, key, owner, LOCK_SECONDS]).catch(() => undefined);
    };
    return setInterval(renew, (LOCK_SECONDS * 1000) / 3).unref();
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
