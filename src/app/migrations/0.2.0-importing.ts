import type { MigrationInterface, QueryRunner } from 'typeorm';

// Toward 0.2.0: uploads that can be read again, previews, fixes, undo, targets and webhooks.

export class FindUnconfirmedUploads1765800000000 implements MigrationInterface {
  readonly name = 'FindUnconfirmedUploads1765800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(FIND_UNCONFIRMED_UPLOADS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX import_queue_batch_unconfirmed');
  }
}

/** For the limit of unconfirmed uploads per key, and for the sweeper that abandons old ones. */
const FIND_UNCONFIRMED_UPLOADS_UP = `
  CREATE INDEX import_queue_batch_unconfirmed ON import_queue_batch (created_by)
    WHERE status = 'awaiting_confirmation'`;

export class StoreUploads1765900000000 implements MigrationInterface {
  readonly name = 'StoreUploads1765900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(STORE_UPLOADS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE upload_part; DROP TABLE upload');
  }
}

const STORE_UPLOADS_UP = `
  -- The bytes of a file until its upload is confirmed or abandoned, so that it can be read again in another way.
  CREATE TABLE upload (
    upload_id uuid PRIMARY KEY,
    created_by text NOT NULL,
    file_name text NOT NULL,
    -- Bytes received so far.
    size bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Null until the file is complete and a batch was made from it.
    workflow_import_queue_batch_id bigint REFERENCES import_queue_batch ON DELETE CASCADE,
    -- While the file is read again in the background: the choices, who made them, a sign of life, and the rows so far.
    reading json,
    read_by text,
    reading_at timestamptz,
    rows_read integer NOT NULL DEFAULT 0,
    -- Why the last reading failed.
    reading_failure text
  );
  CREATE UNIQUE INDEX upload_batch ON upload (workflow_import_queue_batch_id)
    WHERE workflow_import_queue_batch_id IS NOT NULL;
  CREATE INDEX upload_without_batch ON upload (created_at) WHERE workflow_import_queue_batch_id IS NULL;
  CREATE INDEX upload_being_read ON upload (reading_at) WHERE reading_at IS NOT NULL;

  -- Parts of 1 MiB, the last one shorter; numbered from 0.
  CREATE TABLE upload_part (
    upload_id uuid NOT NULL REFERENCES upload ON DELETE CASCADE,
    part_number integer NOT NULL,
    -- Bytes of the file, before compression.
    size integer NOT NULL,
    -- Compressed with zstd.
    compressed boolean NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (upload_id, part_number)
  );
  ALTER TABLE upload_part ALTER COLUMN bytes SET STORAGE EXTERNAL`;

export class PreviewChanges1765910000000 implements MigrationInterface {
  readonly name = 'PreviewChanges1765910000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(PREVIEW_CHANGES_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE import_queue_preview
        DROP COLUMN changes, DROP COLUMN field_changes, DROP COLUMN cleared_values, DROP COLUMN cleared_rows,
        DROP COLUMN same_things`);
  }
}

/** Previews of earlier versions have no changes. */
const PREVIEW_CHANGES_UP = `
  ALTER TABLE import_queue_preview
    -- [{"First Name": [before, after], …} or null, …], one for each outcome
    ADD COLUMN changes json,
    -- {"First Name": 12, …}: the updates of the chunk that change the field
    ADD COLUMN field_changes json,
    ADD COLUMN cleared_values integer NOT NULL DEFAULT 0,
    ADD COLUMN cleared_rows integer NOT NULL DEFAULT 0,
    -- [{"identifier": ":Email:ada@example.org", "lines": [2, 3]}, …], of the whole batch, in its last chunk
    ADD COLUMN same_things json;
  -- The rows live for days and are read a few times; compressing them would take longer than writing them.
  ALTER TABLE import_queue_preview ALTER COLUMN changes SET STORAGE EXTERNAL`;

export class KeepLeftOutColumns1766000000000 implements MigrationInterface {
  readonly name = 'KeepLeftOutColumns1766000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(KEEP_LEFT_OUT_COLUMNS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_chunk DROP COLUMN left_out');
  }
}

const KEEP_LEFT_OUT_COLUMNS_UP = `
  -- The cells of the columns that are not imported, {line: [text, ...]}, so that downloads give them back. They stand with
  -- the chunk because most batches have none, and reading a record must not cost more for those that do.
  ALTER TABLE import_queue_chunk ADD COLUMN left_out json`;

export class AddFixes1766100000000 implements MigrationInterface {
  readonly name = 'AddFixes1766100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_FIXES_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_FIXES_DOWN);
  }
}

/** Rows that were fixed on a page had `retry_of`, which now means a retry of all failed records only. */
const ADD_FIXES_UP = `
  ALTER TABLE import_queue_batch ADD COLUMN resend_of bigint REFERENCES import_queue_batch;
  UPDATE import_queue_batch SET resend_of = retry_of, retry_of = NULL
    WHERE retry_of IS NOT NULL AND creation_path = 'IMPORT_QUEUE_UI';
  CREATE INDEX import_queue_batch_by_resent ON import_queue_batch (resend_of, workflow_import_queue_batch_id)
    WHERE resend_of IS NOT NULL;

  CREATE TABLE fix_draft (
    workflow_import_queue_batch_id bigint NOT NULL REFERENCES import_queue_batch ON DELETE CASCADE,
    created_by text NOT NULL,
    -- [{field, from, to}], applied in this order before the cells.
    replacements json NOT NULL DEFAULT '[]',
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workflow_import_queue_batch_id, created_by)
  );
  CREATE TABLE fix_draft_cell (
    workflow_import_queue_batch_id bigint NOT NULL,
    created_by text NOT NULL,
    line_number integer NOT NULL,
    -- Empty: whether the row is sent ('yes' or 'no').
    field text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (workflow_import_queue_batch_id, created_by, line_number, field),
    FOREIGN KEY (workflow_import_queue_batch_id, created_by) REFERENCES fix_draft ON DELETE CASCADE
  )`;

const ADD_FIXES_DOWN = `
  DROP TABLE fix_draft_cell, fix_draft;
  UPDATE import_queue_batch SET retry_of = resend_of WHERE resend_of IS NOT NULL AND retry_of IS NULL;
  ALTER TABLE import_queue_batch DROP COLUMN resend_of`;

export class ControlRuns1766300000000 implements MigrationInterface {
  readonly name = 'ControlRuns1766300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CONTROL_RUNS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(CONTROL_RUNS_DOWN);
  }
}

/** A table of its own: most batches have no wishes, and the row of a batch is written often. */
const CONTROL_RUNS_UP = `
  ALTER TABLE import_process_version
    ADD COLUMN max_failed integer CHECK (max_failed >= 0),
    ADD COLUMN max_failed_percent double precision CHECK (max_failed_percent BETWEEN 0 AND 100),
    ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high'));

  CREATE TABLE import_queue_batch_control (
    workflow_import_queue_batch_id bigint PRIMARY KEY REFERENCES import_queue_batch ON DELETE CASCADE,
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    not_before timestamptz,
    expires_at timestamptz CHECK (expires_at > not_before),
    max_failed integer CHECK (max_failed >= 0),
    max_failed_percent double precision CHECK (max_failed_percent BETWEEN 0 AND 100),
    -- Failures before the last resumption from a pause for the error budget.
    forgiven_count integer NOT NULL DEFAULT 0,
    canary integer CHECK (canary > 0),
    -- The last line of the canary, from the time the batch is queued until the batch pauses behind it.
    canary_line integer,
    mute_behaviors boolean NOT NULL DEFAULT false
  );
  CREATE INDEX import_queue_batch_control_expiring ON import_queue_batch_control (expires_at)
    WHERE expires_at IS NOT NULL`;

const CONTROL_RUNS_DOWN = `
  DROP TABLE import_queue_batch_control;
  ALTER TABLE import_process_version
    DROP COLUMN max_failed, DROP COLUMN max_failed_percent, DROP COLUMN priority`;

export class CountExistingThings1766310000000 implements MigrationInterface {
  readonly name = 'CountExistingThings1766310000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE import_queue_preview
        -- Things that existed when the preview was made, and those of them that would change, in the row of the last chunk.
        ADD COLUMN existing_things bigint,
        ADD COLUMN changed_things bigint`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE import_queue_preview DROP COLUMN existing_things, DROP COLUMN changed_things',
    );
  }
}

export class AddDryRuns1766320000000 implements MigrationInterface {
  readonly name = 'AddDryRuns1766320000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(statuses(`'failed', 'validated'`));
  }

  /** Earlier versions do not know dry runs, which have processed nothing. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TEMPORARY TABLE dry_run ON COMMIT DROP AS
        SELECT workflow_import_queue_batch_id FROM import_queue_batch WHERE status = 'validated';
      DELETE FROM import_queue_line WHERE workflow_import_queue_batch_id IN (SELECT * FROM dry_run);
      DELETE FROM idempotency_key WHERE workflow_import_queue_batch_id IN (SELECT * FROM dry_run);
      DELETE FROM import_queue_batch WHERE workflow_import_queue_batch_id IN (SELECT * FROM dry_run)`);
    await runner.query(statuses(`'failed'`));
  }
}

const statuses = (last: string) => `
  ALTER TABLE import_queue_batch
    DROP CONSTRAINT import_queue_batch_status_check,
    ADD CONSTRAINT import_queue_batch_status_check CHECK (status IN ('receiving', 'awaiting_confirmation', 'queued',
      'in_progress', 'paused', 'canceling', 'canceled', 'completed', 'completed_with_errors', ${last}))`;

export class RunPreviewsInBackground1766330000000 implements MigrationInterface {
  readonly name = 'RunPreviewsInBackground1766330000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A preview of a large batch that is being made after the answer. The row is deleted at its end.
      CREATE TABLE import_queue_preview_run (
        workflow_import_queue_batch_id bigint PRIMARY KEY REFERENCES import_queue_batch ON DELETE CASCADE,
        total integer NOT NULL,
        previewed integer NOT NULL DEFAULT 0,
        alive_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE import_queue_preview_run');
  }
}

export class ResumeUploads1766340000000 implements MigrationInterface {
  readonly name = 'ResumeUploads1766340000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- An upload that arrives in several requests; its bytes are in upload_part, exactly as a single request has them.
      CREATE TABLE upload_resource (
        upload_id uuid PRIMARY KEY REFERENCES upload ON DELETE CASCADE,
        route text NOT NULL CHECK (route IN ('CreateBatch', 'Uploads')),
        -- Of the request that began it: the query, and the headers that describe the body.
        query json NOT NULL,
        headers json NOT NULL,
        -- The length that the client announced.
        length bigint,
        -- The request that may append; a later request takes its place.
        writer uuid NOT NULL,
        -- Once it is sealed: the batch that was made from it, and the answer.
        batch_id bigint REFERENCES import_queue_batch ON DELETE CASCADE,
        answer json
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE upload_resource');
  }
}

export class AddTableShapes1766900000000 implements MigrationInterface {
  readonly name = 'AddTableShapes1766900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE table_shape (
        table_shape_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        connection text NOT NULL,
        schema_name text NOT NULL,
        table_name text NOT NULL,
        -- SHA-256 of the shapes as JSON.
        digest text NOT NULL,
        shapes jsonb NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (connection, schema_name, table_name, digest)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE table_shape');
  }
}

export class AddUndo1766910000000 implements MigrationInterface {
  readonly name = 'AddUndo1766910000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_UNDO_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_UNDO_DOWN);
  }
}

/** The view of records, with the outcomes of an undo and of deliveries or without them. */
function view(undo: boolean, deliveries = false): string {
  const when = (code: string, name: string) => (undo ? `WHEN '${code}' THEN '${name}'` : '');
  const once = deliveries ? 'coalesce(o.attempts, 1::smallint)' : '1::smallint';
  return `
  CREATE OR REPLACE VIEW import_queue_record AS
    SELECT l.workflow_import_queue_batch_id, l.line_number,
           CASE WHEN o.outcome IN ('c', 'u', 'n', 's', 'f', 'q'${undo ? ", 'r', 'k'" : ''}${deliveries ? ", 'd'" : ''}) THEN ${once}
             ELSE l.attempts END AS attempts,
           CASE o.outcome WHEN 'c' THEN 'succeeded' WHEN 'u' THEN 'succeeded' WHEN 'n' THEN 'succeeded'
             WHEN 's' THEN 'skipped' WHEN 'f' THEN 'failed' WHEN 'x' THEN 'canceled' WHEN 'q' THEN 'unknown'
             ${when('r', 'succeeded')} ${when('k', 'skipped')} ${deliveries ? "WHEN 'd' THEN 'succeeded'" : ''}
             ELSE l.status END AS status,
           CASE o.outcome WHEN 'c' THEN 'created' WHEN 'u' THEN 'updated' WHEN 'n' THEN 'unchanged'
             WHEN 'f' THEN 'rejected' ${when('r', 'reverted')} ${when('k', 'kept')} ELSE l.operation END AS operation,
           coalesce(o.reference, l.reference) AS reference,
           coalesce(o.error_code, l.error_code) AS error_code,
           coalesce(o.error_message, l.error_message) AS error_message,
           coalesce(o.error_pointer, l.error_pointer) AS error_pointer,
           l.payload, l.origin_line, coalesce(o.errors, l.errors) AS errors, l.row_number
      FROM import_queue_line l
      LEFT JOIN import_queue_outcome o
        ON o.workflow_import_queue_batch_id = l.workflow_import_queue_batch_id AND o.line_number = l.line_number`;
}

/**
 * An undo is a batch of its own. `workflow_log` needs no change: an entry holds the values before and after, and the
 * whole instance if the record created it (ADR 35).
 */
const ADD_UNDO_UP = `
  ALTER TABLE import_queue_batch ADD COLUMN undo_of bigint REFERENCES import_queue_batch,
    -- An undo reverts the last effect first, so that its chunks are numbered from the last line to the first one.
    ADD COLUMN last_line_first boolean NOT NULL DEFAULT false;
  CREATE INDEX import_queue_batch_by_undone ON import_queue_batch (undo_of, workflow_import_queue_batch_id)
    WHERE undo_of IS NOT NULL;
  ${view(true)}`;

/** The counts of an undo stay; its records then have neither operation nor status. */
const ADD_UNDO_DOWN = `
  ${view(false)};
  ALTER TABLE import_queue_batch DROP COLUMN undo_of, DROP COLUMN last_line_first`;

export class AddWebhookEndpoints1767000000000 implements MigrationInterface {
  readonly name = 'AddWebhookEndpoints1767000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_WEBHOOK_ENDPOINTS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_WEBHOOK_ENDPOINTS_DOWN);
  }
}

const ADD_WEBHOOK_ENDPOINTS_UP = `
  CREATE TABLE webhook_endpoint (
    webhook_endpoint_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    -- Encrypted, like the secrets: for many receivers the URL is a secret, too.
    url text NOT NULL,
    -- Host and port of the URL.
    receiver text COLLATE "C" NOT NULL,
    description text NOT NULL,
    format text NOT NULL CHECK (format IN ('standard', 'slack', 'teams')),
    events text[] NOT NULL,
    -- NULL: all.
    import_process_ids bigint[],
    status text NOT NULL CHECK (status IN ('active', 'disabled')),
    disabled_reason text CHECK (disabled_reason IN ('manual', 'gone')),
    disabled_at timestamptz,
    secret text NOT NULL,
    -- Signs as well until then.
    previous_secret text,
    previous_secret_until timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CHECK ((status = 'disabled') = (disabled_at IS NOT NULL)),
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
  );
  ALTER TABLE outbox
    ADD COLUMN webhook_endpoint_id bigint REFERENCES webhook_endpoint ON DELETE CASCADE,
    ADD COLUMN event text,
    -- The last attempts: request, answer and time.
    ADD COLUMN attempt_log jsonb,
    DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check
      CHECK (kind IN ('batch_mail', 'batch_webhook', 'behavior_mail', 'behavior_webhook', 'account_mail'));
  CREATE INDEX outbox_of_endpoint ON outbox (webhook_endpoint_id, outbox_id) WHERE webhook_endpoint_id IS NOT NULL;
  CREATE INDEX outbox_webhook_of_batch ON outbox (workflow_import_queue_batch_id) WHERE kind = 'batch_webhook'`;

const ADD_WEBHOOK_ENDPOINTS_DOWN = `
  DROP INDEX outbox_webhook_of_batch;
  DELETE FROM outbox WHERE kind = 'batch_webhook';
  ALTER TABLE outbox
    DROP COLUMN webhook_endpoint_id,
    DROP COLUMN event,
    DROP COLUMN attempt_log,
    DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check
      CHECK (kind IN ('batch_mail', 'behavior_mail', 'behavior_webhook', 'account_mail'));
  DROP TABLE webhook_endpoint`;

export class SaveMappings1767010000000 implements MigrationInterface {
  readonly name = 'SaveMappings1767010000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SAVE_MAPPINGS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(SAVE_MAPPINGS_DOWN);
  }
}

/**
 * Columns were remembered one by one. Those of one confirmation have one time: they become a mapping together. Where
 * a file was matched anew, its columns have the later time.
 */
const SAVE_MAPPINGS_UP = `
  CREATE TABLE saved_mapping (
    import_process_id bigint NOT NULL REFERENCES import_process ON DELETE CASCADE,
    name text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    -- Kept because someone matched the columns of a file, not saved under a name.
    automatic boolean NOT NULL DEFAULT false,
    -- Choices of the reading. json, not jsonb: columns keep their order.
    reading json NOT NULL DEFAULT '{}',
    columns json NOT NULL DEFAULT '{}',
    constants json NOT NULL DEFAULT '{}',
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (import_process_id, name)
  );
  INSERT INTO saved_mapping (import_process_id, name, automatic, columns, saved_by, saved_at)
    SELECT import_process_id,
           'Remembered columns' || CASE WHEN place > 1 THEN ' ' || place ELSE '' END,
           true, columns, mapped_by, mapped_at
      FROM (SELECT import_process_id, mapped_at, min(mapped_by) AS mapped_by,
                   json_object_agg(header, json_build_object('field', target) ORDER BY header) AS columns,
                   row_number() OVER (PARTITION BY import_process_id ORDER BY mapped_at DESC) AS place
              FROM import_process_column
             GROUP BY import_process_id, mapped_at) AS remembered
     WHERE place <= 100;
  DROP TABLE import_process_column`;

const SAVE_MAPPINGS_DOWN = `
  CREATE TABLE import_process_column (
    import_process_id bigint NOT NULL REFERENCES import_process ON DELETE CASCADE,
    header text NOT NULL,
    target text,
    mapped_by text NOT NULL,
    mapped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (import_process_id, header)
  );
  INSERT INTO import_process_column (import_process_id, header, target, mapped_by, mapped_at)
    SELECT DISTINCT ON (import_process_id, header) import_process_id, header, mapped -> 'field' #>> '{}', saved_by, saved_at
      FROM saved_mapping, json_each(columns) AS c (header, mapped)
     ORDER BY import_process_id, header, saved_at DESC;
  DROP TABLE saved_mapping`;

export class SendFilesFromPages1767030000000 implements MigrationInterface {
  readonly name = 'SendFilesFromPages1767030000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE upload_resource
        DROP CONSTRAINT upload_resource_route_check,
        -- 'Page': the file itself, without the form around it.
        ADD CONSTRAINT upload_resource_route_check CHECK (route IN ('CreateBatch', 'Uploads', 'Page'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DELETE FROM upload
       WHERE workflow_import_queue_batch_id IS NULL
         AND upload_id IN (SELECT upload_id FROM upload_resource WHERE route = 'Page');
      DELETE FROM upload_resource WHERE route = 'Page';
      ALTER TABLE upload_resource
        DROP CONSTRAINT upload_resource_route_check,
        ADD CONSTRAINT upload_resource_route_check CHECK (route IN ('CreateBatch', 'Uploads'))`);
  }
}

export class CompleteContract1767100000000 implements MigrationInterface {
  readonly name = 'CompleteContract1767100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COMPLETE_CONTRACT_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(COMPLETE_CONTRACT_DOWN);
  }
}

/** Keys are made of names; a number follows one that is taken, as in `importProcessKey`. */
const COMPLETE_CONTRACT_UP = `
  ALTER TABLE import_queue_batch
    -- From the creation to the pause.
    ADD COLUMN paused_after interval,
    ADD COLUMN metadata json;
  UPDATE import_queue_batch SET paused_after = now() - created_at WHERE status = 'paused';
  ALTER TABLE import_process ADD COLUMN key text;
  UPDATE import_process p
     SET key = CASE WHEN made.place = 1 AND made.base ~ '[a-z]' THEN made.base
                    -- Two hyphens: no name becomes such a key.
                    ELSE CASE WHEN made.base ~ '[a-z]' THEN left(made.base, 40) ELSE 'import' END || '--' || p.import_process_id END
    FROM (SELECT import_process_id, base, row_number() OVER (PARTITION BY base ORDER BY import_process_id) AS place
            FROM (SELECT import_process_id,
                         trim(BOTH '-' FROM left(regexp_replace(lower(name COLLATE "C"), '[^a-z0-9]+', '-', 'g'), 50)) AS base
                    FROM import_process) AS named) AS made
   WHERE made.import_process_id = p.import_process_id;
  -- The default is for processes of earlier versions that still write.
  ALTER TABLE import_process ALTER COLUMN key SET NOT NULL,
    ALTER COLUMN key SET DEFAULT 'import--' || gen_random_uuid()::text,
    ADD CONSTRAINT import_process_key_key UNIQUE (key);
  ALTER TABLE import_process_version
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN allow_without_identifier boolean NOT NULL DEFAULT false`;

const COMPLETE_CONTRACT_DOWN = `
  ALTER TABLE import_queue_batch DROP COLUMN paused_after, DROP COLUMN metadata;
  ALTER TABLE import_process DROP COLUMN key;
  ALTER TABLE import_process_version DROP COLUMN time_zone, DROP COLUMN allow_without_identifier`;

export class DeliverByHttp1767110000000 implements MigrationInterface {
  readonly name = 'DeliverByHttp1767110000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DELIVER_BY_HTTP_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DELIVER_BY_HTTP_DOWN);
  }
}

/** A chunk whose records are sent to another system is owned by a lease (ADR 40). */
const DELIVER_BY_HTTP_UP = `
  ALTER TABLE import_queue_chunk ADD COLUMN lease_owner text, ADD COLUMN lease_token integer NOT NULL DEFAULT 0,
    ADD COLUMN lease_until timestamptz;
  ALTER TABLE import_queue_outcome ADD COLUMN attempts smallint;
  -- No foreign key to the line: rows live only while a chunk is delivered.
  CREATE TABLE import_queue_delivery (
    workflow_import_queue_batch_id bigint NOT NULL,
    line_number integer NOT NULL,
    attempts smallint NOT NULL,
    due_at timestamptz NOT NULL,
    uncertain boolean NOT NULL,
    PRIMARY KEY (workflow_import_queue_batch_id, line_number)
  );
  ${view(true, true)}`;

/** Records that were delivered then have no status of their own. */
const DELIVER_BY_HTTP_DOWN = `
  ${view(true)};
  DROP TABLE import_queue_delivery;
  ALTER TABLE import_queue_outcome DROP COLUMN attempts;
  ALTER TABLE import_queue_chunk DROP COLUMN lease_owner, DROP COLUMN lease_token, DROP COLUMN lease_until`;

/** Mails also report that a batch paused, once per pause, and that an upload is about to be abandoned, once. */
export class MailPauses1767120000000 implements MigrationInterface {
  readonly name = 'MailPauses1767120000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(MAIL_PAUSES);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(MAIL_PAUSES_DOWN);
  }
}

const MAIL_PAUSES = `
  ALTER TABLE outbox DROP CONSTRAINT outbox_outcome_check,
    ADD CONSTRAINT outbox_outcome_check CHECK (outcome IN ('success', 'failure', 'paused', 'expiring'));
  DROP INDEX outbox_of_batch;
  CREATE UNIQUE INDEX outbox_of_batch ON outbox (workflow_import_queue_batch_id, outcome)
    WHERE kind = 'batch_mail' AND outcome <> 'paused'`;

const MAIL_PAUSES_DOWN = `
  DELETE FROM outbox WHERE kind = 'batch_mail' AND outcome IN ('paused', 'expiring');
  DROP INDEX outbox_of_batch;
  CREATE UNIQUE INDEX outbox_of_batch ON outbox (workflow_import_queue_batch_id, outcome) WHERE kind = 'batch_mail';
  ALTER TABLE outbox DROP CONSTRAINT outbox_outcome_check,
    ADD CONSTRAINT outbox_outcome_check CHECK (outcome IN ('success', 'failure'))`;

/**
 * A person may state later whether a record whose outcome is unknown was delivered. A record fails only if its receiver
 * answered others in the meantime.
 */
export class ResolveUnknown1767130000000 implements MigrationInterface {
  readonly name = 'ResolveUnknown1767130000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE import_queue_batch ADD COLUMN resolved_count integer NOT NULL DEFAULT 0;
      ALTER TABLE import_queue_delivery ADD COLUMN suspect boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE import_queue_batch DROP COLUMN resolved_count;
      ALTER TABLE import_queue_delivery DROP COLUMN suspect`);
  }
}

/** Several addresses get the same mail about a batch: one message each. */
export class MailSeveralAddresses1767145000000 implements MigrationInterface {
  readonly name = 'MailSeveralAddresses1767145000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(MAIL_SEVERAL_ADDRESSES);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(MAIL_SEVERAL_ADDRESSES_DOWN);
  }
}

const MAIL_SEVERAL_ADDRESSES = `
  ALTER TABLE outbox ADD COLUMN recipient_number smallint NOT NULL DEFAULT 1;
  DROP INDEX outbox_of_batch;
  CREATE UNIQUE INDEX outbox_of_batch ON outbox (workflow_import_queue_batch_id, outcome, recipient_number)
    WHERE kind = 'batch_mail' AND outcome <> 'paused'`;

/** The version before sends a mail to one address. */
const MAIL_SEVERAL_ADDRESSES_DOWN = `
  DELETE FROM outbox WHERE kind = 'batch_mail' AND recipient_number > 1;
  DROP INDEX outbox_of_batch;
  CREATE UNIQUE INDEX outbox_of_batch ON outbox (workflow_import_queue_batch_id, outcome)
    WHERE kind = 'batch_mail' AND outcome <> 'paused';
  ALTER TABLE outbox DROP COLUMN recipient_number;
  UPDATE import_queue_batch
     SET send_success_email_to = split_part(send_success_email_to, ',', 1),
         send_failure_email_to = split_part(send_failure_email_to, ',', 1)
   WHERE send_success_email_to LIKE '%,%' OR send_failure_email_to LIKE '%,%'`;
