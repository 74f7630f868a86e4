import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { JsonValue } from '../../common/json.js';

/** One effect of one action on one instance. */
@Entity('workflow_log')
export class WorkflowLogEntity {
  @PrimaryColumn('bigint', { name: 'workflow_instance_id' }) instanceId!: number;
  @PrimaryGeneratedColumn('identity', {
    name: 'workflow_log_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('bigint', { name: 'workflow_import_queue_batch_id', nullable: true }) batchId!: number | null;
  @Column('integer', { name: 'line_number', nullable: true }) line!: number | null;
  @Column('text') action!: string;
  @Column('text') actor!: string;
  /** By attribute: value before and after; only what changed. */
  @Column('json') changes!: Record<string, [JsonValue, JsonValue]>;
  @Column('timestamptz', { name: 'logged_at', default: () => 'now()' }) loggedAt!: Date;
}
