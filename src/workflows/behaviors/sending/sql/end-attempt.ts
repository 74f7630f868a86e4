import type { Sql } from '../../../../database/transaction.js';
import type { BehaviorStatus } from '../../../entities/behavior-outbox.entity.js';
import type { ClaimedBehavior } from './claim-behavior.js';

export interface BehaviorEnd {
  status: Exclude<BehaviorStatus, 'sending'>;
  error: string | null;
  /** When to try again; counts for `pending` only. */
  retryInMs: number;
}

/** Writes what became of an attempt. Answers `false` when the claim was lost meanwhile. */
export async function endAttempt(
  sql: Sql,
  { id, attempts }: Pick<ClaimedBehavior, 'id' | 'attempts'>,
  { status, error, retryInMs }: BehaviorEnd,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE behavior_outbox
        SET status = $3, last_error = $4, locked_until = NULL,
            next_attempt_at = CASE WHEN $3 = 'pending' THEN now() + make_interval(secs => $5 / 1000.0)
                                   ELSE next_attempt_at END,
            sent_at = CASE WHEN $3 = 'sent' THEN now() ELSE sent_at END,
            ended_at = CASE WHEN $3 <> 'pending' THEN now() END
      WHERE behavior_id = $1 AND attempts = $2 AND status = 'sending'`,
    [id, attempts, status, error, retryInMs],
  );
  return rowCount === 1;
}
