import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { WorkflowDefinition } from '../definition.js';

@Entity('workflow_definition')
export class WorkflowDefinitionEntity {
  @PrimaryColumn('integer', { name: 'workflow_id' }) workflowId!: number;
  @PrimaryColumn('integer') version!: number;
  @Column('json') definition!: WorkflowDefinition;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}
