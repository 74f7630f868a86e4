import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { JsonObject } from '../platform/json/json-value.js';
import type { Priority } from '../batches/batch-control.js';
import type { TargetConfiguration } from '../records/target.js';

export type ImportProcessStatus = 'active' | 'disabled';

/** A file type, as the UI calls it. Its versions define what its batches do. */
@Entity('import_process')
export class ImportProcessEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'import_process_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('text', { unique: true }) name!: string;
  @Column('text', { default: '' }) description!: string;
  @Column('text', { default: '' }) note!: string;
  @Column('text', { default: '' }) icon!: string;
  @Column('integer', { name: 'display_order', default: 0 }) displayOrder!: number;
  @Column('text') status!: ImportProcessStatus;
  /** Null: the setting of the installation applies; 0: no limit. */
  @Column('integer', { name: 'retention_days', nullable: true }) retentionDays!: number | null;
  @Column('integer', { name: 'current_version' }) currentVersion!: number;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' }) updatedAt!: Date;
}

/** The configuration of an import process from one PUT to the next; batches pin the version they started with. */
@Entity('import_process_version')
export class ImportProcessVersionEntity {
  @PrimaryColumn('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @PrimaryColumn('integer') version!: number;
  @Column('text') name!: string;
  @Column('json') target!: TargetConfiguration;
  @Column('json', { name: 'record_schema', nullable: true }) recordSchema!: JsonObject | null;
  /** One chunk at a time, in line order. */
  @Column('boolean', { default: false }) ordered!: boolean;
  @Column('text', { default: 'normal' }) priority!: Priority;
  @Column('integer', { name: 'max_failed', nullable: true }) maxFailed!: number | null;
  @Column('double precision', { name: 'max_failed_percent', nullable: true }) maxFailedPercent!:
    number | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}

/** The column that a header of an uploaded file stands for, as a user mapped it. */
@Entity('import_process_column')
export class ImportProcessColumnEntity {
  @PrimaryColumn('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @PrimaryColumn('text') header!: string;
  /** `null`: the column is not imported. */
  @Column('text', { nullable: true }) target!: string | null;
  @Column('text', { name: 'mapped_by' }) mappedBy!: string;
  @Column('timestamptz', { name: 'mapped_at', default: () => 'now()' }) mappedAt!: Date;
}
