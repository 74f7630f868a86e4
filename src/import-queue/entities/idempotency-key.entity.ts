import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { JsonObject } from '../../common/json.js';

@Entity('idempotency_key')
export class IdempotencyKeyEntity {
  @PrimaryColumn('text') principal!: string;
  @PrimaryColumn('text') key!: string;
  @Column('bytea', { name: 'request_hash', nullable: true }) requestHash!: Buffer | null;
  /** The call that holds the key while it runs; its lock is renewed, and free again after a crash. */
  @Column('uuid') owner!: string;
  @Column('timestamptz', { name: 'locked_until' }) lockedUntil!: Date;
  @Column('bigint', { name: 'workflow_import_queue_batch_id', nullable: true }) batchId!: number | null;
  @Column('json', { nullable: true }) response!: JsonObject | null;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}
