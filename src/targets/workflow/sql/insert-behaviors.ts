import type { Transaction } from '../../../database/transaction.js';
import type { BehaviorKind, BehaviorStatus } from '../../../workflows/entities/behavior-outbox.entity.js';
import { copyRows } from './copy-rows.js';

export interface BehaviorRow {
  instanceId: number;
  line: number;
  number: number;
  action: string;
  kind: BehaviorKind;
  recipient: string;
  subject: string | null;
  textBody: string | null;
  htmlBody: string | null;
  jsonBody: string | null;
  secret: string | null;
  status: Extract<BehaviorStatus, 'pending' | 'failed'>;
  error: string | null;
}

export function insertBehaviors(
  transaction: Transaction,
  batchId: number | null,
  behaviors: readonly BehaviorRow[],
): Promise<void> {
  return copyRows(
    transaction,
    `behavior_outbox (workflow_instance_id, workflow_import_queue_batch_id, line_number, behavior_number, action, kind,
       recipient, subject, text_body, html_body, json_body, secret, status, last_error)`,
    behaviors,
    (row) => [
      ...[row.instanceId, batchId, batchId === null ? null : row.line, row.number, row.action, row.kind],
      ...[row.recipient, row.subject, row.textBody, row.htmlBody, row.jsonBody, row.secret],
      ...[row.status, row.error],
    ],
  );
}
