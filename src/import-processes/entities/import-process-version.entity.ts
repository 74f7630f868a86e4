import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { JsonObject } from '../../common/json.js';
import type { TargetConfiguration } from '../../targets/target.js';

/** What an import process did from one PUT to the next; batches pin the version they started with. */
@Entity('import_process_version')
export class ImportProcessVersionEntity {
  @PrimaryColumn('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @PrimaryColumn('integer') version!: number;
  @Column('text') name!: string;
  @Column('json') target!: TargetConfiguration;
  @Column('json', { name: 'record_schema', nullable: true }) recordSchema!: JsonObject | null;
  /** One chunk at a time, in line order. */
  @Column('boolean', { default: false }) ordered!: boolean;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}
