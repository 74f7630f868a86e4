import type { Transaction } from '../platform/database/database.service.js';
import type { BatchEvent, BatchStatus, PauseReason } from './batch-state.js';

/** What a webhook reports: ids and counts of the moment of the event. Texts of people are left out. */
export interface BatchFacts {
  WORKFLOW_IMPORT_QUEUE_BATCH_ID: number;
  importProcessId: number;
  importProcessName: string;
  status: BatchStatus;
  creationPath: string;
  retryOf: number | null;
  pauseReason: string | null;
  recordCounts: Record<string, number>;
  operations: Record<string, number>;
}

/**
 * Stores a webhook for each active endpoint that wants the event of the batch. Runs in the transaction of the change,
 * after it, so that the counts are those of the event. Where no endpoint wants it, the statement reads one small table.
 * The loop over due messages wakes the senders.
 */
export async function insertBatchWebhooks(
  transaction: Transaction,
  batchId: number,
  events: readonly BatchEvent[],
): Promise<void> {
  await transaction.query(
    `INSERT INTO outbox (kind, webhook_endpoint_id, event, workflow_import_queue_batch_id, recipient, receiver,
                         json_body, status)
     SELECT 'batch_webhook', e.webhook_endpoint_id, happened.event, b.workflow_import_queue_batch_id, e.receiver,
            e.receiver, json_build_object(
              'WORKFLOW_IMPORT_QUEUE_BATCH_ID', b.workflow_import_queue_batch_id,
              'importProcessId', b.import_process_id, 'importProcessName', v.name, 'status', b.status,
              'creationPath', b.creation_path, 'retryOf', b.retry_of, 'pauseReason', b.pause_reason,
              'metadata', coalesce(b.metadata, '{}'),
              'recordCounts', json_build_object(
                'total', b.total_count, 'invalid', b.invalid_count,
                'pending', b.total_count - b.invalid_count - s.succeeded - s.failed - s.skipped - s.canceled - s.unknown,
                'processing', 0, 'succeeded', s.succeeded, 'failed', s.failed, 'skipped', s.skipped,
                'canceled', s.canceled, 'unknown', s.unknown),
              'operations', json_build_object(
                'created', s.created, 'updated', s.updated, 'unchanged', s.unchanged)), 'pending'
       FROM webhook_endpoint e
      CROSS JOIN unnest($2::text[]) WITH ORDINALITY happened (event, place)
       JOIN import_queue_batch b ON b.workflow_import_queue_batch_id = $1
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
      CROSS JOIN LATERAL (
        SELECT coalesce(b.succeeded_count, sum(succeeded_count), 0)::integer AS succeeded,
               coalesce(b.failed_count, sum(failed_count), 0)::integer AS failed,
               coalesce(b.skipped_count, sum(skipped_count), 0)::integer AS skipped,
               coalesce(b.canceled_count, sum(canceled_count), 0)::integer AS canceled,
               coalesce(b.unknown_count, sum(unknown_count), 0)::integer AS unknown,
               coalesce(b.created_count, sum(created_count), 0)::integer AS created,
               coalesce(b.updated_count, sum(updated_count), 0)::integer AS updated,
               coalesce(b.unchanged_count, sum(unchanged_count), 0)::integer AS unchanged
          FROM import_queue_chunk k
         WHERE k.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id
           AND b.succeeded_count IS NULL) s
      WHERE e.status = 'active' AND happened.event = ANY (e.events)
        AND (e.import_process_ids IS NULL OR b.import_process_id = ANY (e.import_process_ids))
      ORDER BY e.webhook_endpoint_id, happened.place`,
    [batchId, events],
  );
}

/**
 * Owes a mail about the pause, to the address for failures. Each pause is a mail of its own, and the change of the status
 * happens once, so nothing more keeps it from being stored twice. The loop over due messages wakes the sender.
 */
export async function insertPauseMail(
  transaction: Transaction,
  batchId: number,
  pause: { reason: PauseReason; detail: string | null },
): Promise<void> {
  await transaction.query(
    `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, json_body, status)
     SELECT 'batch_mail', workflow_import_queue_batch_id, 'paused', send_failure_email_to, $2, 'pending'
       FROM import_queue_batch
      WHERE workflow_import_queue_batch_id = $1 AND send_failure_email_to IS NOT NULL`,
    [batchId, JSON.stringify(pause)],
  );
}
