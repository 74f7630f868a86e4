import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';
import type { InstanceStatus } from './definition.js';

@Entity('workflow')
export class WorkflowEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'workflow_id',
    type: 'integer',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('text', { unique: true }) name!: string;
  @Column('integer', { name: 'current_version' }) currentVersion!: number;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' }) updatedAt!: Date;
}

@Entity('workflow_definition')
export class WorkflowDefinitionEntity {
  @PrimaryColumn('integer', { name: 'workflow_id' }) workflowId!: number;
  @PrimaryColumn('integer') version!: number;
  /** A `WorkflowDefinition`; with that type, TypeORM's types for inserted values would recurse through JSON without end. */
  @Column('json') definition!: object;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}

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
  /** The data entry step at which the instance stands; null before the first step, or if the workflow has none. */
  @Column('text', { nullable: true }) step!: string | null;
  /** Attributes by name, and identifiers by theirs (`:Email`), as written. */
  @Column('jsonb') attributes!: JsonObject;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' }) updatedAt!: Date;
}

@Entity('workflow_identifier')
export class WorkflowIdentifierEntity {
  @PrimaryColumn('integer', { name: 'workflow_id' }) workflowId!: number;
  @PrimaryColumn('text', { collation: 'C' }) name!: string;
  /** Normalized; case-folded if the definition makes the identifier case-insensitive. */
  @PrimaryColumn('text', { collation: 'C' }) value!: string;
  /** 0 for unique identifiers, else the instance id. */
  @PrimaryColumn('bigint') distinguisher!: number;
  @Column('bigint', { name: 'workflow_instance_id' }) instanceId!: number;
}

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
  /** By attribute: the values before and after, only if they differ. */
  @Column('json') changes!: Record<string, [JsonValue, JsonValue]>;
  @Column('timestamptz', { name: 'logged_at', default: () => 'now()' }) loggedAt!: Date;
}
