import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { BatchStatus } from '../batch-state.js';
import type { UploadFindings } from '../upload-findings.js';

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
  /** This and the counts below: written with the finish, null until then. */
  @Column('integer', { name: 'succeeded_count', nullable: true }) succeededCount!: number | null;
  @Column('integer', { name: 'failed_count', nullable: true }) failedCount!: number | null;
  @Column('integer', { name: 'skipped_count', nullable: true }) skippedCount!: number | null;
  @Column('integer', { name: 'canceled_count', nullable: true }) canceledCount!: number | null;
  @Column('integer', { name: 'unknown_count', nullable: true }) unknownCount!: number | null;
  @Column('integer', { name: 'created_count', nullable: true }) createdCount!: number | null;
  @Column('integer', { name: 'updated_count', nullable: true }) updatedCount!: number | null;
  @Column('integer', { name: 'unchanged_count', nullable: true }) unchangedCount!: number | null;
  /** What was understood of an uploaded file; null for batches of the API. */
  @Column('json', { nullable: true }) upload!: UploadFindings | null;
  @Column('bigint', { name: 'retry_of', nullable: true }) retryOf!: number | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'started_at', nullable: true }) startedAt!: Date | null;
  @Column('timestamptz', { name: 'finished_at', nullable: true }) finishedAt!: Date | null;
  /** Its retention is over: its records are not read any more, and are deleted in small steps. */
  @Column('timestamptz', { name: 'expired_at', nullable: true }) expiredAt!: Date | null;
  /** No record of it is left; this row stays, with the counts. */
  @Column('timestamptz', { name: 'emptied_at', nullable: true }) emptiedAt!: Date | null;
}
