import type { DeliveryStatus } from '../delivery/message.js';
import type { Sql } from '../platform/database/database.service.js';

/** A mail that the application sends: about a batch, or caused by an action on an instance. */
export interface MailboxEntry {
  id: number;
  recipient: string;
  status: DeliveryStatus;
  subject: string | null;
  text: string | null;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  sentAt: Date | null;
  /** The batch that the mail reports on, or whose record caused the action. */
  batchId: number | null;
  batchName: string | null;
  /** The instance that the mail concerns, and its workflow. */
  instanceId: number | null;
  workflow: string | null;
}

export interface MailboxSelection {
  status?: DeliveryStatus | undefined;
  /** Only mails with a smaller id. */
  before?: number | undefined;
  limit: number;
  /** `null`: all import processes. */
  importProcessIds: readonly number[] | null;
}

/** Mails about batches, newest first. */
export async function selectNotificationMails(
  sql: Sql,
  selection: MailboxSelection,
): Promise<MailboxEntry[]> {
  const { rows } = await sql.query<MailboxEntry>(
    `SELECT outbox_id AS id, recipient, o.status, subject, text_body AS text, attempts,
            last_error AS "lastError", o.created_at AS "createdAt", sent_at AS "sentAt",
            b.workflow_import_queue_batch_id AS "batchId", b.file_name AS "batchName",
            NULL::bigint AS "instanceId", NULL AS workflow
       FROM outbox o JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      WHERE kind = 'batch_mail' AND ($1::text IS NULL OR o.status = $1) AND ($2::bigint IS NULL OR outbox_id < $2)
        AND ($4::bigint[] IS NULL OR b.import_process_id = ANY ($4))
      ORDER BY outbox_id DESC LIMIT $3`,
    parameters(selection),
  );
  return rows;
}

/** Mails that actions sent, newest first. */
export async function selectBehaviorMails(sql: Sql, selection: MailboxSelection): Promise<MailboxEntry[]> {
  const { rows } = await sql.query<MailboxEntry>(
    `SELECT outbox_id AS id, recipient, o.status, subject, text_body AS text, attempts,
            last_error AS "lastError", o.created_at AS "createdAt", sent_at AS "sentAt",
            b.workflow_import_queue_batch_id AS "batchId", b.file_name AS "batchName",
            workflow_instance_id AS "instanceId", w.name AS workflow
       FROM outbox o
       JOIN workflow_instance USING (workflow_instance_id) JOIN workflow w USING (workflow_id)
       LEFT JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      WHERE kind = 'behavior_mail' AND ($1::text IS NULL OR o.status = $1) AND ($2::bigint IS NULL OR outbox_id < $2)
        AND ($4::bigint[] IS NULL OR b.import_process_id = ANY ($4))
      ORDER BY outbox_id DESC LIMIT $3`,
    parameters(selection),
  );
  return rows;
}

function parameters({ status, before, limit, importProcessIds }: MailboxSelection): unknown[] {
  return [status ?? null, before ?? null, limit, importProcessIds];
}
