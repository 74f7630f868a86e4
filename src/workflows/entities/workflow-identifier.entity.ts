import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('workflow_identifier')
export class WorkflowIdentifierEntity {
  @PrimaryColumn('integer', { name: 'workflow_id' }) workflowId!: number;
  @PrimaryColumn('text', { collation: 'C' }) name!: string;
  /** Normalised: case-folded where the definition says so. */
  @PrimaryColumn('text', { collation: 'C' }) value!: string;
  /** 0 where the definition says unique, else the instance id. */
  @PrimaryColumn('bigint') distinguisher!: number;
  @Column('bigint', { name: 'workflow_instance_id' }) instanceId!: number;
}
