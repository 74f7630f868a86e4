import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('audit_log')
export class AuditLogEntity {
  @PrimaryGeneratedColumn('identity', { name: 'audit_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  @Column('timestamptz', { name: 'happened_at', default: () => 'now()' }) happenedAt!: Date;
  @Column('text', { nullable: true }) actor!: string | null;
  @Column('text') action!: string;
  @Column('text', { nullable: true }) subject!: string | null;
  @Column('jsonb') details!: Record<string, unknown>;
  @Column('text', { nullable: true }) address!: string | null;
  @Column('text', { name: 'request_id', nullable: true }) requestId!: string | null;
}
