import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('workflow_definition')
export class WorkflowDefinitionEntity {
  @PrimaryColumn('integer', { name: 'workflow_id' }) workflowId!: number;
  @PrimaryColumn('integer') version!: number;
  /** A `WorkflowDefinition`; TypeORM's types of values to insert would follow JSON into itself without end. */
  @Column('json') definition!: object;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}
