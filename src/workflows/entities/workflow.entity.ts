import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

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
