import type { Sql } from '../../../../database/transaction.js';
import type { BehaviorKind, BehaviorStatus } from '../../../entities/behavior-outbox.entity.js';

/** A mail or webhook with all that became of it; never the secret it is signed with. */
export interface StoredBehavior {
  id: number;
  kind: BehaviorKind;
  action: string;
  batchId: number | null;
  line: number | null;
  /** An e-mail address or a URL. */
  recipient: string;
  subject: string | null;
  status: BehaviorStatus;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  /** When it is tried again; `null` when it will not be. */
  nextAttemptAt: Date | null;
  sentAt: Date | null;
}

const COLUMNS = `behavior_id AS id, kind, action, workflow_import_queue_batch_id AS "batchId", line_number AS line,
       recipient, subject, status, attempts, last_error AS "lastError", created_at AS "createdAt",
       CASE WHEN status = 'pending' THEN next_attempt_at END AS "nextAttemptAt", sent_at AS "sentAt"`;

/** Newest first. */
export async function selectBehaviors(
  sql: Sql,
  instanceId: number,
  limit: number,
): Promise<StoredBehavior[]> {
  const { rows } = await sql.query<StoredBehavior>(
    `SELECT ${COLUMNS} FROM behavior_outbox WHERE workflow_instance_id = $1 ORDER BY behavior_id DESC LIMIT $2`,
    [instanceId, limit],
  );
  return rows;
}

export async function selectBehavior(
  sql: Sql,
  instanceId: number,
  id: number,
): Promise<StoredBehavior | undefined> {
  const { rows } = await sql.query<StoredBehavior>(
    `SELECT ${COLUMNS} FROM behavior_outbox WHERE behavior_id = $2 AND workflow_instance_id = $1`,
    [instanceId, id],
  );
  return rows[0];
}
