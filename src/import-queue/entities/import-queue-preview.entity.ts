import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { StoredPreview } from '../preview/previewed-record.js';

/** What the records of one chunk would turn into. */
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
}
