import type { Transaction } from '../../database/transaction.js';
import type { NotificationKind } from '../entities/notification.entity.js';

export interface NewNotification {
  batchId: number;
  kind: NotificationKind;
  recipient: string;
}

/**
 * Owes the mail, once per batch and kind whoever asks how often; answers the id of the one there is. The update
 * that changes nothing is what makes an existing row answer, and makes a concurrent second insert wait for the first.
 */
export async function insertNotification(
  transaction: Transaction,
  { batchId, kind, recipient }: NewNotification,
): Promise<number> {
  const { rows } = await transaction.query<{ id: number }>(
    `INSERT INTO notification (workflow_import_queue_batch_id, kind, recipient, status)
     VALUES ($1, $2, $3, 'pending')
     ON CONFLICT (workflow_import_queue_batch_id, kind) DO UPDATE SET kind = excluded.kind
     RETURNING notification_id AS id`,
    [batchId, kind, recipient],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`the ${kind} notification of batch ${batchId} was not stored`);
  return row.id;
}
