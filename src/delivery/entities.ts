import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { BehaviorKind, DeliveryStatus, NotificationKind } from './message.js';

/** A mail that is owed, written with the finish of its batch. */
@Entity('notification')
export class NotificationEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'notification_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('bigint', { name: 'workflow_import_queue_batch_id' }) batchId!: number;
  @Column('text') kind!: NotificationKind;
  @Column('text') recipient!: string;
  @Column('text') status!: DeliveryStatus;
  @Column('text', { nullable: true }) subject!: string | null;
  @Column('text', { name: 'text_body', nullable: true }) textBody!: string | null;
  @Column('text', { name: 'html_body', nullable: true }) htmlBody!: string | null;
  @Column('integer', { default: 0 }) attempts!: number;
  @Column('integer', { name: 'attempts_before_resend', default: 0 }) attemptsBeforeResend!: number;
  @Column('timestamptz', { name: 'next_attempt_at', default: () => 'now()' }) nextAttemptAt!: Date;
  @Column('timestamptz', { name: 'locked_until', nullable: true }) lockedUntil!: Date | null;
  @Column('text', { name: 'last_error', nullable: true }) lastError!: string | null;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'sent_at', nullable: true }) sentAt!: Date | null;
}

/** A mail or webhook that a record owes, rendered when its effect was written. */
@Entity('behavior_outbox')
export class BehaviorOutboxEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'behavior_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('bigint', { name: 'workflow_instance_id' }) instanceId!: number;
  @Column('bigint', { name: 'workflow_import_queue_batch_id', nullable: true }) batchId!: number | null;
  @Column('integer', { name: 'line_number', nullable: true }) line!: number | null;
  @Column('integer', { name: 'behavior_number' }) number!: number;
  @Column('text') action!: string;
  @Column('text') kind!: BehaviorKind;
  @Column('text') recipient!: string;
  @Column('text', { nullable: true }) subject!: string | null;
  @Column('text', { name: 'text_body', nullable: true }) textBody!: string | null;
  @Column('text', { name: 'html_body', nullable: true }) htmlBody!: string | null;
  @Column('text', { name: 'json_body', nullable: true }) jsonBody!: string | null;
  @Column('text', { nullable: true }) secret!: string | null;
  @Column('text') status!: DeliveryStatus;
  @Column('integer', { default: 0 }) attempts!: number;
  @Column('integer', { name: 'attempts_before_resend', default: 0 }) attemptsBeforeResend!: number;
  @Column('integer', { default: 0 }) resends!: number;
  @Column('timestamptz', { name: 'next_attempt_at', default: () => 'now()' }) nextAttemptAt!: Date;
  @Column('timestamptz', { name: 'locked_until', nullable: true }) lockedUntil!: Date | null;
  @Column('text', { name: 'last_error', nullable: true }) lastError!: string | null;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'sent_at', nullable: true }) sentAt!: Date | null;
  /** When it was sent or given up; decides how long it is kept where no batch does. */
  @Column('timestamptz', { name: 'ended_at', nullable: true }) endedAt!: Date | null;
}
