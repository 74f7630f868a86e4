import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Operation } from '../../targets/target.js';
import type { RecordStatus } from '../record-status.js';

@Entity('import_queue_record')
export class ImportQueueRecordEntity {
  @PrimaryColumn('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  /** 1-based, in what was sent. */
  @PrimaryColumn('integer', { name: 'line_number' }) line!: number;
  @Column('smallint', { default: 0 }) attempts!: number;
  @Column('text', { default: 'pending' }) status!: RecordStatus;
  @Column('text', { nullable: true }) operation!: Operation | null;
  @Column('text', { nullable: true }) reference!: string | null;
  @Column('text', { name: 'error_code', nullable: true }) errorCode!: string | null;
  @Column('text', { name: 'error_message', nullable: true }) errorMessage!: string | null;
  @Column('text', { name: 'error_pointer', nullable: true }) errorPointer!: string | null;
  /** The line exactly as sent, without its line end. */
  @Column('text') payload!: string;
  /** Its line in the batch whose results it was downloaded with; null for all that was not. */
  @Column('integer', { name: 'origin_line', nullable: true }) originLine!: number | null;
}
