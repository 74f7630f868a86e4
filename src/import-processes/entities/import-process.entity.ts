import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export type ImportProcessStatus = 'active' | 'disabled';

/** A file type as people see it. What its batches do is in its versions. */
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
  /** Null: as the installation says; 0: for ever. */
  @Column('integer', { name: 'retention_days', nullable: true }) retentionDays!: number | null;
  @Column('integer', { name: 'current_version' }) currentVersion!: number;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' }) updatedAt!: Date;
}
