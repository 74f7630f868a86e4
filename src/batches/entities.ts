import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { Reading, ReadingWarning } from '../formats/reading.js';
import type { ReadingCounts } from '../formats/table-rows.js';
import type { UnderstoodFile } from '../formats/upload-reader.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { RecordStatus } from '../records/record-status.js';
import type { ErrorTallyGroup } from '../records/rows.js';
import type { Operation, RecordError, SameThing } from '../records/target.js';
import type { BatchStatus, PauseReason } from './batch-state.js';
import type { EarlierChanges, StoredChanges, StoredPreview } from './previews.sql.js';
import type { RunningChunk } from './statistics.sql.js';

/** How the columns of a file differ from those that its rows may have. */
export interface ColumnFindings {
  /** Columns that match no field; `nearest` is the field that was probably meant. */
  unknown: { header: string; nearest: string | null }[];
  /** Required columns that the file lacks. */
  missing: string[];
}

/** How an uploaded file was read, stored with its batch. Older batches lack the optional members. */
export interface UploadFindings extends Partial<ReadingCounts> {
  understood: UnderstoodFile;
  /** `null` for JSON Lines, which have no columns. */
  columns: ColumnFindings | null;
  errorGroups: ErrorTallyGroup[];
  /** The choices that the sender made. */
  reading?: Reading;
  warnings?: ReadingWarning[];
}

@Entity('import_queue_batch')
export class ImportQueueBatchEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'workflow_import_queue_batch_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('text', { name: 'file_name' }) fileName!: string;
  @Column('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @Column('integer', { name: 'import_process_version' }) importProcessVersion!: number;
  @Column('integer', { name: 'workflow_version', nullable: true }) workflowVersion!: number | null;
  @Column('text', { name: 'creation_path' }) creationPath!: string;
  @Column('text') status!: BatchStatus;
  @Column('text', { name: 'failure_reason', nullable: true }) failureReason!: string | null;
  @Column('text', { name: 'send_success_email_to', nullable: true }) sendSuccessEmailTo!: string | null;
  @Column('text', { name: 'send_failure_email_to', nullable: true }) sendFailureEmailTo!: string | null;
  @Column('integer', { name: 'total_count', default: 0 }) totalCount!: number;
  @Column('integer', { name: 'invalid_count', default: 0 }) invalidCount!: number;
  @Column('integer', { name: 'chunk_count', default: 0 }) chunkCount!: number;
  /** This count and those below are written when the batch ends, and are null until then. */
  @Column('integer', { name: 'succeeded_count', nullable: true }) succeededCount!: number | null;
  @Column('integer', { name: 'failed_count', nullable: true }) failedCount!: number | null;
  @Column('integer', { name: 'skipped_count', nullable: true }) skippedCount!: number | null;
  @Column('integer', { name: 'canceled_count', nullable: true }) canceledCount!: number | null;
  @Column('integer', { name: 'unknown_count', nullable: true }) unknownCount!: number | null;
  /** Unknown records that a person stated to be delivered. They succeeded; the status of the batch remembers them. */
  @Column('integer', { name: 'resolved_count', default: 0 }) resolvedCount!: number;
  @Column('integer', { name: 'created_count', nullable: true }) createdCount!: number | null;
  @Column('integer', { name: 'updated_count', nullable: true }) updatedCount!: number | null;
  @Column('integer', { name: 'unchanged_count', nullable: true }) unchangedCount!: number | null;
  /** Why it is paused; null if it is not paused. */
  @Column('text', { name: 'pause_reason', nullable: true }) pauseReason!: PauseReason | null;
  /** The fault behind the pause, as text. */
  @Column('text', { name: 'pause_detail', nullable: true }) pauseDetail!: string | null;
  /** When one chunk of a batch that a fault paused will be tried next. */
  @Column('timestamptz', { name: 'probe_at', nullable: true }) probeAt!: Date | null;
  /** The time from its creation to its pause; null if it is not paused. */
  @Column('interval', { name: 'paused_after', nullable: true }) pausedAfter!: string | null;
  /** What the caller stated about the batch; null for nothing. */
  @Column('json', { nullable: true }) metadata!: Record<string, string> | null;
  /** How an uploaded file was read; null for batches of the API. */
  @Column('json', { nullable: true }) upload!: UploadFindings | null;
  @Column('bigint', { name: 'retry_of', nullable: true }) retryOf!: number | null;
  /** The batch whose failed records were fixed, or downloaded and uploaded again, to make this one. */
  @Column('bigint', { name: 'resend_of', nullable: true }) resendOf!: number | null;
  /** The batch whose effects this one reverts. */
  @Column('bigint', { name: 'undo_of', nullable: true }) undoOf!: number | null;
  /** Its chunks are numbered, and its records processed, from the last line to the first one. */
  @Column('boolean', { name: 'last_line_first', default: false }) lastLineFirst!: boolean;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'started_at', nullable: true }) startedAt!: Date | null;
  @Column('timestamptz', { name: 'finished_at', nullable: true }) finishedAt!: Date | null;
  /** When its retention ended. Its records can no longer be read, and are deleted in small steps. */
  @Column('timestamptz', { name: 'expired_at', nullable: true }) expiredAt!: Date | null;
  /** The span of the call that created it, in the form of W3C Trace Context; null while nothing is traced. */
  @Column('text', { nullable: true }) traceparent!: string | null;
  /** When a person first saw the page of the batch after it ended with failures. */
  @Column('timestamptz', { name: 'failures_viewed_at', nullable: true }) failuresViewedAt!: Date | null;
  /** When its last record was deleted. This row stays, with the counts. */
  @Column('timestamptz', { name: 'emptied_at', nullable: true }) emptiedAt!: Date | null;
}

export type ChunkState = 'pending' | 'queued' | 'done';

/** A run of consecutive records of one batch: the unit of queueing, locking and accounting. */
@Entity('import_queue_chunk')
export class ImportQueueChunkEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  /** 1-based. */
  @PrimaryColumn('integer', { name: 'chunk_number' }) chunkNumber!: number;
  @Column('integer', { name: 'first_line' }) firstLine!: number;
  @Column('integer', { name: 'last_line' }) lastLine!: number;
  @Column('integer', { name: 'record_count' }) recordCount!: number;
  @Column('integer', { name: 'invalid_count' }) invalidCount!: number;
  @Column('text') state!: ChunkState;
  @Column('timestamptz', { name: 'queued_at', nullable: true }) queuedAt!: Date | null;
  @Column('integer', { default: 0 }) attempts!: number;
  @Column('text', { name: 'last_error', nullable: true }) lastError!: string | null;
  @Column('integer', { name: 'blocked_by', nullable: true }) blockedBy!: number | null;
  @Column('bytea', { name: 'ordering_keys', nullable: true }) orderingKeys!: Buffer | null;
  @Column('integer', { name: 'succeeded_count', default: 0 }) succeededCount!: number;
  @Column('integer', { name: 'failed_count', default: 0 }) failedCount!: number;
  @Column('integer', { name: 'skipped_count', default: 0 }) skippedCount!: number;
  @Column('integer', { name: 'canceled_count', default: 0 }) canceledCount!: number;
  @Column('integer', { name: 'unknown_count', default: 0 }) unknownCount!: number;
  @Column('integer', { name: 'created_count', default: 0 }) createdCount!: number;
  @Column('integer', { name: 'updated_count', default: 0 }) updatedCount!: number;
  @Column('integer', { name: 'unchanged_count', default: 0 }) unchangedCount!: number;
  @Column('timestamptz', { name: 'done_at', nullable: true }) doneAt!: Date | null;
  /** The worker that delivers its records, by host and process; null if none does. */
  @Column('text', { name: 'lease_owner', nullable: true }) leaseOwner!: string | null;
  /** Grows with every lease. */
  @Column('integer', { name: 'lease_token', default: 0 }) leaseToken!: number;
  @Column('timestamptz', { name: 'lease_until', nullable: true }) leaseUntil!: Date | null;
  /** The cells of columns that are not imported, by line; null if there are none. */
  @Column('json', { name: 'left_out', nullable: true }) leftOut!: Record<string, string[]> | null;
}

/** What was sent: one text row per record, without a foreign key or a second index (ADR 3), never updated (ADR 28). */
@Entity('import_queue_line')
export class ImportQueueLineEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  /** 1-based, in the body that was sent. */
  @PrimaryColumn('integer', { name: 'line_number' }) line!: number;
  /**
   * `pending` or `invalid`. Only records of versions before 0.2.0-rc.1 have another status, and the next values, except
   * that each record of an undo has the reference of the outcome that it reverts.
   */
  @Column('text', { default: 'pending' }) status!: RecordStatus;
  @Column('smallint', { default: 0 }) attempts!: number;
  @Column('text', { nullable: true }) operation!: Operation | null;
  @Column('text', { nullable: true }) reference!: string | null;
  /** Why the record is invalid. */
  @Column('text', { name: 'error_code', nullable: true }) errorCode!: string | null;
  @Column('text', { name: 'error_message', nullable: true }) errorMessage!: string | null;
  @Column('text', { name: 'error_pointer', nullable: true }) errorPointer!: string | null;
  /** All errors of a record that has several; null if it has one or none. */
  @Column('jsonb', { nullable: true }) errors!: RecordError[] | null;
  /** The line exactly as sent, without its line end. */
  @Column('text') payload!: string;
  /** Its line in the batch whose results were downloaded and sent again; null for other records. */
  @Column('integer', { name: 'origin_line', nullable: true }) originLine!: number | null;
  /** The row that a spreadsheet shows for it; null where that is the line. */
  @Column('integer', { name: 'row_number', nullable: true }) row!: number | null;
}

/** What became of a record; inserted once, with the effects of its chunk. */
@Entity('import_queue_outcome')
export class ImportQueueOutcomeEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  @PrimaryColumn('integer', { name: 'line_number' }) line!: number;
  /** One letter, as `recordsBetween` reads it. */
  @Column('text') outcome!: string;
  @Column('text', { nullable: true }) reference!: string | null;
  @Column('text', { name: 'error_code', nullable: true }) errorCode!: string | null;
  @Column('text', { name: 'error_message', nullable: true }) errorMessage!: string | null;
  @Column('text', { name: 'error_pointer', nullable: true }) errorPointer!: string | null;
  @Column('jsonb', { nullable: true }) errors!: RecordError[] | null;
  /** How many attempts it took; null: one. */
  @Column('smallint', { nullable: true }) attempts!: number | null;
}

/** A record without an outcome that was sent to another system, or may have been. */
@Entity('import_queue_delivery')
export class ImportQueueDeliveryEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  @PrimaryColumn('integer', { name: 'line_number' }) line!: number;
  /** Attempts that failed. */
  @Column('smallint') attempts!: number;
  /** When the next attempt is due. */
  @Column('timestamptz', { name: 'due_at' }) dueAt!: Date;
  /** Whether it may have been sent and must not be sent again. */
  @Column('boolean') uncertain!: boolean;
  /** The receiver answered other records after an attempt of this one had failed. */
  @Column('boolean', { default: false }) suspect!: boolean;
}

/** The effects that the records of one chunk would have. */
@Entity('import_queue_preview')
export class ImportQueuePreviewEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  @PrimaryColumn('integer', { name: 'chunk_number' }) chunkNumber!: number;
  @Column('integer', { name: 'create_count' }) createCount!: number;
  @Column('integer', { name: 'update_count' }) updateCount!: number;
  @Column('integer', { name: 'unchanged_count' }) unchangedCount!: number;
  @Column('integer', { name: 'skip_count' }) skipCount!: number;
  @Column('integer', { name: 'reject_count' }) rejectCount!: number;
  @Column('json') outcomes!: StoredPreview[];
  /** The changes of each outcome; null in previews of earlier versions. */
  @Column('json', { nullable: true }) changes!: StoredChanges | EarlierChanges | null;
  /** The updates that change a field, by field. */
  @Column('json', { name: 'field_changes', nullable: true }) fieldChanges!: Record<string, number> | null;
  @Column('integer', { name: 'cleared_values', default: 0 }) clearedValues!: number;
  @Column('integer', { name: 'cleared_rows', default: 0 }) clearedRows!: number;
  /** Of the whole batch, in its last chunk. */
  @Column('json', { name: 'same_things', nullable: true }) sameThings!: SameThing[] | null;
  /** Things that existed when the preview was made, in its last chunk. */
  @Column('bigint', { name: 'existing_things', nullable: true }) existingThings!: number | null;
  /** Those of them that would change. */
  @Column('bigint', { name: 'changed_things', nullable: true }) changedThings!: number | null;
}

/** An upload that arrives in several requests. */
@Entity('upload_resource')
export class UploadResourceEntity {
  @PrimaryColumn('uuid', { name: 'upload_id' }) uploadId!: string;
  @Column('text') route!: 'CreateBatch' | 'Uploads' | 'Page';
  @Column('json') query!: JsonObject;
  @Column('json') headers!: JsonObject;
  @Column('bigint', { nullable: true }) length!: number | null;
  @Column('uuid') writer!: string;
  @Column('bigint', { name: 'batch_id', nullable: true }) batchId!: number | null;
  @Column('json', { nullable: true }) answer!: JsonObject | null;
}

/** A preview of a large batch that is being made after the answer. */
@Entity('import_queue_preview_run')
export class ImportQueuePreviewRunEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  @Column('integer') total!: number;
  @Column('integer', { default: 0 }) previewed!: number;
  @Column('timestamptz', { name: 'alive_at', default: () => 'now()' }) aliveAt!: Date;
}

@Entity('idempotency_key')
export class IdempotencyKeyEntity {
  @PrimaryColumn('text') principal!: string;
  @PrimaryColumn('text') key!: string;
  @Column('bytea', { name: 'request_hash', nullable: true }) requestHash!: Buffer | null;
  /** The call that holds the key while it runs. The call renews its lock, which expires after a crash. */
  @Column('uuid') owner!: string;
  @Column('timestamptz', { name: 'locked_until' }) lockedUntil!: Date;
  @Column('bigint', { name: 'workflow_import_queue_batch_id', nullable: true }) batchId!: number | null;
  @Column('json', { nullable: true }) response!: JsonObject | null;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}

/** The bytes of a file until its upload is confirmed or abandoned, in parts. */
@Entity('upload')
export class UploadEntity {
  @PrimaryColumn('uuid', { name: 'upload_id' }) id!: string;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('text', { name: 'file_name' }) fileName!: string;
  /** Bytes received so far. */
  @Column('bigint', { default: 0 }) size!: number;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  /** Null until the file is complete and a batch was made from it. */
  @Column('bigint', { name: 'workflow_import_queue_batch_id', nullable: true }) batchId!: number | null;
  /** The choices by which the file is being read again in the background. */
  @Column('json', { nullable: true }) reading!: JsonObject | null;
  @Column('text', { name: 'read_by', nullable: true }) readBy!: string | null;
  /** The last sign of life of that reading; null if none is under way. */
  @Column('timestamptz', { name: 'reading_at', nullable: true }) readingAt!: Date | null;
  @Column('integer', { name: 'rows_read', default: 0 }) rowsRead!: number;
  @Column('text', { name: 'reading_failure', nullable: true }) readingFailure!: string | null;
}

@Entity('upload_part')
export class UploadPartEntity {
  @PrimaryColumn('uuid', { name: 'upload_id' }) uploadId!: string;
  /** 0-based. */
  @PrimaryColumn('integer', { name: 'part_number' }) partNumber!: number;
  @Column('integer') size!: number;
  @Column('boolean') compressed!: boolean;
  @Column('bytea') bytes!: Buffer;
}

/** What happened within an hour; see `statistics.sql.ts`. */
@Entity('import_queue_statistics')
export class ImportQueueStatisticsEntity {
  @PrimaryColumn('timestamptz') hour!: Date;
  @PrimaryColumn('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @PrimaryColumn('smallint') shard!: number;
  @Column('integer', { default: 0 }) batches!: number;
  @Column('bigint', { default: 0 }) succeeded!: number;
  @Column('bigint', { default: 0 }) failed!: number;
  @Column('bigint', { default: 0 }) skipped!: number;
  @Column('bigint', { default: 0 }) canceled!: number;
  @Column('bigint', { default: 0 }) invalid!: number;
  @Column('integer', { array: true, default: '{}' }) durations!: number[];
  @Column('bigint', { name: 'slowest_ms', nullable: true }) slowestMs!: number | null;
  @Column('bigint', { name: 'slowest_batch_id', nullable: true }) slowestBatchId!: number | null;
  @Column('bigint', { name: 'database_bytes', nullable: true }) databaseBytes!: number | null;
}

/** A process that takes chunks. It renews its row, and removes it when it stops. */
@Entity('import_queue_worker')
export class ImportQueueWorkerEntity {
  @PrimaryColumn('uuid', { name: 'worker_id' }) id!: string;
  @Column('text') host!: string;
  @Column('integer') pid!: number;
  @Column('text') version!: string;
  @Column('integer') concurrency!: number;
  @Column('text', { nullable: true }) refusal!: string | null;
  @Column('json') activity!: RunningChunk[];
  @Column('timestamptz', { name: 'started_at', default: () => 'now()' }) startedAt!: Date;
  @Column('timestamptz', { name: 'seen_at', default: () => 'now()' }) seenAt!: Date;
}
