import { addressesIn } from '../batches/batch-state.js';
import { anonymizedRow, ERASED, ERASED_PAYLOAD, type Person } from './person.js';

export const ERASURE_MODES = ['erase', 'anonymize'] as const;
export type ErasureMode = (typeof ERASURE_MODES)[number];

/** A row as `personal-rows.sql.ts` reads it: the columns as texts. */
export interface PersonalRow {
  /** The primary key, in the order of the columns. */
  key: string[];
  /** The row belongs to an instance of the person, whatever it holds. */
  belongs: boolean;
  values: Record<string, string | null>;
}

/** New values of some columns; or the row is deleted. */
export type Change = Readonly<Record<string, string | null>> | 'delete';

/** A table whose rows may hold values of a person. */
export interface PersonalTable {
  table: string;
  key: readonly string[];
  /** The columns to search, with their SQL types. */
  columns: Readonly<Record<string, string>>;
  /** SQL condition on the row `t`: it belongs to one of the instances $1 (text[]). */
  belongs?: string;
  /** SQL condition on the row `t`: it is erased with its instance, one of $1 (text[]). */
  isOfInstance?: string;
  /** SQL condition on the row `t`: its batch has not ended, so the row is not changed. */
  isOpen?: string;
  /** Only the role of AUDIT_DATABASE_URL may change it. */
  isAudit?: boolean;
  /** Runs after each changed row, with its key as parameters. */
  follow?: string;
  changeOf(row: PersonalRow, person: Person, mode: ErasureMode): Change;
}

const OF_OPEN_BATCH = `EXISTS (SELECT FROM import_queue_batch b
  WHERE b.workflow_import_queue_batch_id = t.workflow_import_queue_batch_id AND b.finished_at IS NULL)`;

const IS_OF_WORKFLOW = `EXISTS (SELECT FROM import_queue_batch b
    JOIN import_process_version v ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
   WHERE b.workflow_import_queue_batch_id = t.workflow_import_queue_batch_id AND v.target ->> 'kind' = 'workflow')`;

const ADDRESS_OF_NOBODY = 'erased@erased.invalid';

/** The columns that hold the value, without it. */
function withoutValue(
  { values }: PersonalRow,
  person: Person,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = values[name];
      return text != null && person.isIn(text) ? [[name, person.removedFrom(text)]] : [];
    }),
  );
}

/** The line, the status and the code of the error stay, so that the counts of the batch remain true. */
function withoutError({ values, belongs }: PersonalRow, mode: ErasureMode): Record<string, string | null> {
  return {
    error_message: values.error_message == null ? null : ERASED,
    errors: null,
    ...(mode === 'erase' && belongs && { reference: null }),
  };
}

/** Erased in this order. Instances, their identifiers and their log follow, so that an interrupted erasure finds them again. */
export const PERSONAL_TABLES: readonly PersonalTable[] = [
  {
    table: 'import_queue_line',
    key: ['workflow_import_queue_batch_id', 'line_number'],
    columns: { payload: 'text', error_message: 'text', errors: 'jsonb' },
    belongs: `(t.reference = ANY ($1::text[]) OR EXISTS (SELECT FROM import_queue_outcome o
        WHERE o.workflow_import_queue_batch_id = t.workflow_import_queue_batch_id AND o.line_number = t.line_number
          AND o.reference = ANY ($1::text[]))) AND ${IS_OF_WORKFLOW}`,
    isOpen: OF_OPEN_BATCH,
    changeOf: (row, _, mode) => ({
      payload: mode === 'erase' ? ERASED_PAYLOAD : anonymizedRow(row.values.payload ?? ''),
      ...withoutError(row, mode),
    }),
    // The chunk keeps the cells that were not imported, and the outcome of an erased line may quote other values of it.
    follow: `WITH left_out AS (
        UPDATE import_queue_chunk SET left_out = (left_out::jsonb - ($2::bigint)::text)::json
         WHERE workflow_import_queue_batch_id = $1 AND $2 BETWEEN first_line AND last_line AND left_out IS NOT NULL)
      UPDATE import_queue_outcome
        SET errors = NULL, error_message = CASE WHEN error_message IS NOT NULL THEN '${ERASED}' END
      WHERE workflow_import_queue_batch_id = $1 AND line_number = $2 AND error_message IS NOT NULL`,
  },
  {
    table: 'import_queue_outcome',
    key: ['workflow_import_queue_batch_id', 'line_number'],
    columns: { error_message: 'text', errors: 'jsonb' },
    belongs: `t.reference = ANY ($1::text[]) AND ${IS_OF_WORKFLOW}`,
    isOpen: OF_OPEN_BATCH,
    changeOf: (row, _, mode) => withoutError(row, mode),
  },
  {
    table: 'fix_draft_cell',
    key: ['workflow_import_queue_batch_id', 'created_by', 'line_number', 'field'],
    columns: { value: 'text' },
    changeOf: () => 'delete',
  },
  {
    table: 'fix_draft',
    key: ['workflow_import_queue_batch_id', 'created_by'],
    columns: { replacements: 'json' },
    changeOf: (row, person) => withoutValue(row, person, ['replacements']),
  },
  {
    table: 'import_queue_preview',
    key: ['workflow_import_queue_batch_id', 'chunk_number'],
    columns: { outcomes: 'json', changes: 'json', same_things: 'json' },
    // The changes of a row do not say whose they are, and no one reads them once the batch has ended.
    belongs: `(t.changes IS NOT NULL OR t.same_things IS NOT NULL) AND (EXISTS (SELECT FROM workflow_log l
      WHERE l.workflow_instance_id = ANY ($1::bigint[])
        AND l.workflow_import_queue_batch_id = t.workflow_import_queue_batch_id)
      OR EXISTS (SELECT FROM json_array_elements(t.outcomes) o WHERE o ->> 2 = ANY ($1::bigint[]::text[])))`,
    isOpen: OF_OPEN_BATCH,
    changeOf: (row, person) => ({
      ...withoutValue(row, person, ['outcomes']),
      changes: null,
      same_things: null,
    }),
  },
  {
    table: 'import_queue_batch',
    key: ['workflow_import_queue_batch_id'],
    columns: {
      file_name: 'text',
      send_success_email_to: 'text',
      send_failure_email_to: 'text',
      failure_reason: 'text',
      upload: 'json',
      metadata: 'json',
    },
    isOpen: 't.finished_at IS NULL',
    changeOf: (row, person) => {
      const changed = withoutValue(row, person, ['file_name', 'failure_reason', 'upload', 'metadata']);
      for (const name of ['send_success_email_to', 'send_failure_email_to']) {
        const addresses = row.values[name];
        if (addresses == null || !person.isIn(addresses)) continue;
        // Not fewer: the batch still owes, or has sent, the mails that were asked for.
        const others = addressesIn(addresses).map((address) =>
          person.isIn(address) ? ADDRESS_OF_NOBODY : address,
        );
        changed[name] = others.join(',');
      }
      return changed;
    },
  },
  {
    table: 'outbox',
    key: ['kind', 'outbox_id'],
    columns: {
      kind: 'text',
      status: 'text',
      recipient: 'text',
      subject: 'text',
      text_body: 'text',
      html_body: 'text',
      json_body: 'text',
      last_error: 'text',
      attempt_log: 'jsonb',
    },
    belongs: 't.workflow_instance_id::text = ANY ($1::text[])',
    changeOf: (row, person, mode) => {
      const texts = ['subject', 'text_body', 'html_body', 'json_body', 'last_error'];
      const isAboutBatch = ['batch_mail', 'batch_webhook'].includes(row.values.kind ?? '');
      if (mode === 'erase' && !isAboutBatch) return 'delete';
      const recipient = row.values.recipient ?? '';
      const isForPerson = person.isIn(recipient);
      if (isAboutBatch) {
        return {
          ...withoutValue(row, person, [...texts, 'attempt_log']),
          ...(isForPerson && { recipient: ADDRESS_OF_NOBODY }),
        };
      }
      const replaced: Record<string, string> = { recipient: ADDRESS_OF_NOBODY };
      for (const name of texts) if (row.values[name] != null) replaced[name] = ERASED;
      // Nothing is sent any more.
      if (['pending', 'sending'].includes(row.values.status ?? '')) replaced.status = 'failed';
      return replaced;
    },
  },
  {
    table: 'upload',
    key: ['upload_id'],
    columns: { file_name: 'text', reading: 'json', reading_failure: 'text' },
    changeOf: (row, person) => withoutValue(row, person, ['file_name', 'reading', 'reading_failure']),
  },
  {
    // Value maps, defaults and constants can name people.
    table: 'saved_mapping',
    key: ['import_process_id', 'name'],
    columns: { name: 'text', columns: 'json', constants: 'json' },
    // The name is often that of a file, and is part of the key.
    changeOf: (row, person) =>
      person.isIn(row.values.name ?? '') ? 'delete' : withoutValue(row, person, ['columns', 'constants']),
  },
  {
    table: 'idempotency_key',
    key: ['principal', 'key'],
    columns: { key: 'text', response: 'json' },
    changeOf: () => 'delete',
  },
  {
    table: 'workflow_log',
    key: ['workflow_instance_id', 'workflow_log_id'],
    columns: { changes: 'json' },
    isOfInstance: 't.workflow_instance_id::text = ANY ($1::text[])',
    changeOf: (row, person) => withoutValue(row, person, ['changes']),
  },
  {
    // Other instances whose attributes name the person. None of these is an identifier: its instance would be found.
    table: 'workflow_instance',
    key: ['workflow_instance_id'],
    columns: { attributes: 'jsonb' },
    isOfInstance: 't.workflow_instance_id::text = ANY ($1::text[])',
    changeOf: (row, person) => withoutValue(row, person, ['attributes']),
  },
  {
    table: 'audit_log',
    key: ['audit_id'],
    columns: { details: 'jsonb' },
    isAudit: true,
    changeOf: (row, person) => withoutValue(row, person, ['details']),
  },
];

/**
 * What is done with the data of people in each table. A test compares the list with the migrated database, so that a new
 * table is not forgotten, and each statement with what erasure, deletion, retention and doctor do.
 */
export interface TableInventory {
  /**
   * Who erases values of a person: rows found by value, the instance or the account that the row belongs to. The bytes of
   * an upload exist only until it is confirmed or abandoned; until then, the report names its batch.
   */
  erasure: 'by value' | 'with instance' | 'with account' | 'with upload';
  /** What becomes of the rows of a batch that is deleted, or past its retention. */
  batch?: 'deleted' | 'kept';
  /** What else deletes rows at some time. */
  retention?: 'AUDIT_RETENTION_DAYS' | 'IDEMPOTENCY_KEY_HOURS' | 'session lifetime';
  /** An invariant of the doctor that reads the table; `null`: it has none. */
  doctor: string | null;
}

/** Tables that can hold data of people. @public A test reads it, and docs/operations.md repeats it. */
export const PERSONAL_DATA: Readonly<Record<string, TableInventory>> = {
  import_queue_line: { erasure: 'by value', batch: 'deleted', doctor: 'orphan_records' },
  import_queue_outcome: { erasure: 'by value', batch: 'deleted', doctor: 'orphan_outcomes' },
  import_queue_preview: { erasure: 'by value', batch: 'deleted', doctor: 'emptied_has_no_records' },
  import_queue_batch: { erasure: 'by value', batch: 'kept', doctor: 'batch_totals' },
  fix_draft: { erasure: 'by value', batch: 'deleted', doctor: 'emptied_has_no_records' },
  fix_draft_cell: { erasure: 'by value', batch: 'deleted', doctor: 'emptied_has_no_records' },
  outbox: { erasure: 'by value', batch: 'deleted', doctor: 'outbox_stuck' },
  idempotency_key: {
    erasure: 'by value',
    retention: 'IDEMPOTENCY_KEY_HOURS',
    batch: 'kept',
    doctor: 'idempotency_answers',
  },
  audit_log: { erasure: 'by value', retention: 'AUDIT_RETENTION_DAYS', doctor: 'audit_log_can_be_changed' },
  workflow_instance: { erasure: 'with instance', doctor: 'identifiers' },
  workflow_identifier: { erasure: 'with instance', doctor: 'identifiers' },
  workflow_log: { erasure: 'with instance', batch: 'kept', doctor: 'log_instances' },
  upload: { erasure: 'by value', doctor: null },
  saved_mapping: { erasure: 'by value', doctor: null },
  upload_part: { erasure: 'with upload', doctor: null },
  upload_resource: { erasure: 'with upload', doctor: null },
  account_link: { erasure: 'with account', doctor: null },
  app_user: { erasure: 'with account', doctor: null },
  user_session: { erasure: 'with account', retention: 'session lifetime', doctor: null },
};

/** Tables of the configuration and of the program itself. @public A test reads it. */
export const NO_PERSONAL_DATA: readonly string[] = [
  'api_key',
  'import_process',
  'import_process_version',
  'import_queue_batch_control',
  'import_queue_chunk',
  'import_queue_delivery',
  'import_queue_partition',
  'import_queue_statistics',
  'import_queue_worker',
  'import_queue_preview_run',
  'schema_compatibility',
  'schema_migration',
  'table_shape',
  'webhook_endpoint',
  'workflow',
  'workflow_definition',
];
