import { Column, Entity, PrimaryColumn } from 'typeorm';

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
}
