import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { JsonObject } from '../../common/json.js';

export const INSTANCE_STATUSES = [
  'incomplete',
  'completed_successfully',
  'completed_unsuccessfully',
] as const;
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];

@Entity('workflow_instance')
export class WorkflowInstanceEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'workflow_instance_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('integer', { name: 'workflow_id' }) workflowId!: number;
  @Column('text') status!: InstanceStatus;
  /** The data entry step it stands at; null before the first and where the workflow has none. */
  @Column('text', { nullable: true }) step!: string | null;
  /** Attributes by name, and identifiers by their own names (`:Email`) as they were written. */
  @Column('jsonb') attributes!: JsonObject;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' }) updatedAt!: Date;
}
