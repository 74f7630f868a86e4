import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { JsonObject } from '../platform/json/json-value.js';
import type { Priority } from '../batches/batch-state.js';
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
  /** Stands for the id wherever one is given. */
  @Column('text', { unique: true, default: () => "('import--'|| (gen_random_uuid()))" })
  key!: string;
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
  /** Of times without an offset; a name of the IANA database. */
  @Column('text', { name: 'time_zone', default: 'UTC' }) timeZone!: string;
  /** Rows without any identifier create something new. */
  @Column('boolean', { name: 'allow_without_identifier', default: false }) allowWithoutIdentifier!: boolean;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}

/** How files with certain headers are read: a mapping that a user saved, or that was kept because a user matched columns. */
@Entity('saved_mapping')
export class SavedMappingEntity {
  @PrimaryColumn('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @PrimaryColumn('text') name!: string;
  @Column('integer', { default: 1 }) version!: number;
  @Column('boolean', { default: false }) automatic!: boolean;
  @Column('json', { default: {} }) reading!: JsonObject;
  @Column('json', { default: {} }) columns!: JsonObject;
  @Column('json', { default: {} }) constants!: JsonObject;
  @Column('text', { name: 'saved_by' }) savedBy!: string;
  @Column('timestamptz', { name: 'saved_at', default: () => 'now()' }) savedAt!: Date;
}
