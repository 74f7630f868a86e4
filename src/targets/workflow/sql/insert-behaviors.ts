import type { CopyRows } from '../../../database/copy/copy-together.js';
import { COPY_NULL, copyField } from '../../../database/copy/copy-text.js';
import type { BehaviorKind, BehaviorStatus } from '../../../workflows/entities/behavior-outbox.entity.js';
import { rowsToCopy } from './rows-to-copy.js';

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

export function behaviorsToInsert(batchId: number | null, behaviors: readonly BehaviorRow[]): CopyRows {
  return rowsToCopy(
    `behavior_outbox (workflow_instance_id, workflow_import_queue_batch_id, line_number, behavior_number, action, kind,
       recipient, subject, text_body, html_body, json_body, secret, status, last_error)`,
    behaviors,
    (row) =>
      [
        ...[row.instanceId, batchId, batchId === null ? null : row.line, row.number].map(numberField),
        ...[row.action, row.kind, row.recipient, row.subject, row.textBody, row.htmlBody].map(copyField),
        ...[row.jsonBody, row.secret, row.status, row.error].map(copyField),
      ].join('\t'),
  );
}

function numberField(number: number | null): string {
  return number === null ? COPY_NULL : String(number);
}
