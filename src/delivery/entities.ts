import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { DeliveryStatus, MessageKind, NotificationKind } from './message.js';
import type { EndpointFormat, EndpointStatus, LoggedAttempt } from './webhook-endpoint.js';

/**
 * A mail or webhook to deliver, written in the transaction that causes it. Kind and id are the key: see `MessageKey`.
 */
@Entity('outbox')
export class OutboxEntity {
  @PrimaryColumn({ type: 'text', collation: 'C' }) kind!: MessageKind;
  @PrimaryGeneratedColumn('identity', { name: 'outbox_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  @Column('bigint', { name: 'workflow_import_queue_batch_id', nullable: true }) batchId!: number | null;
  /** Only for mails about an account: the link that the mail contains. */
  @Column('bigint', { name: 'account_link_id', nullable: true }) accountLinkId!: number | null;
  /** Only for mails about a batch. */
  @Column('text', { nullable: true }) outcome!: NotificationKind | null;
  @Column('bigint', { name: 'workflow_instance_id', nullable: true }) instanceId!: number | null;
  @Column('integer', { name: 'line_number', nullable: true }) line!: number | null;
  @Column('integer', { name: 'behavior_number', nullable: true }) number!: number | null;
  @Column('text', { nullable: true }) action!: string | null;
  /** An e-mail address; the encrypted URL of a webhook that an action causes; the host of a webhook about a batch. */
  @Column('text') recipient!: string;
  /** Only for mails about a batch: the place among the addresses that get the same mail, from 1. */
  @Column('smallint', { name: 'recipient_number', default: 1 }) recipientNumber!: number;
  /** Host and port of a webhook. A receiver delays only its own messages. All mails share the receiver ''. */
  @Column({ type: 'text', collation: 'C', default: '' }) receiver!: string;
  @Column('text', { nullable: true }) subject!: string | null;
  @Column('text', { name: 'text_body', nullable: true }) textBody!: string | null;
  @Column('text', { name: 'html_body', nullable: true }) htmlBody!: string | null;
  @Column('text', { name: 'json_body', nullable: true }) jsonBody!: string | null;
  @Column('text', { nullable: true }) secret!: string | null;
  /** Only for webhooks about batches. */
  @Column('bigint', { name: 'webhook_endpoint_id', nullable: true }) webhookEndpointId!: number | null;
  @Column('text', { nullable: true }) event!: string | null;
  /** Oldest first. */
  @Column('jsonb', { name: 'attempt_log', nullable: true }) attemptLog!: LoggedAttempt[] | null;
  @Column('text') status!: DeliveryStatus;
  @Column('integer', { default: 0 }) attempts!: number;
  @Column('integer', { name: 'attempts_before_resend', default: 0 }) attemptsBeforeResend!: number;
  @Column('integer', { default: 0 }) resends!: number;
  @Column('timestamptz', { name: 'next_attempt_at', default: () => 'now()' }) nextAttemptAt!: Date;
  @Column('timestamptz', { name: 'locked_until', nullable: true }) lockedUntil!: Date | null;
  @Column('text', { name: 'last_error', nullable: true }) lastError!: string | null;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  /** When the message was stored, or when its delivery was last requested again. */
  @Column('timestamptz', { name: 'owed_at', default: () => 'now()' }) owedAt!: Date;
  @Column('timestamptz', { name: 'sent_at', nullable: true }) sentAt!: Date | null;
  /** When the message was sent or given up. Decides how long it is kept if it belongs to no batch. */
  @Column('timestamptz', { name: 'ended_at', nullable: true }) endedAt!: Date | null;
}

/** A receiver of webhooks about batches. */
@Entity('webhook_endpoint')
export class WebhookEndpointEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'webhook_endpoint_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  /** Encrypted, like the secrets. */
  @Column('text') url!: string;
  /** Host and port of the URL. */
  @Column({ type: 'text', collation: 'C' }) receiver!: string;
  @Column('text') description!: string;
  @Column('text') format!: EndpointFormat;
  @Column('text', { array: true }) events!: string[];
  /** `null`: all. */
  @Column('bigint', { name: 'import_process_ids', array: true, nullable: true })
  importProcessIds!: number[] | null;
  @Column('text') status!: EndpointStatus;
  @Column('text', { name: 'disabled_reason', nullable: true }) disabledReason!: 'manual' | 'gone' | null;
  @Column('timestamptz', { name: 'disabled_at', nullable: true }) disabledAt!: Date | null;
  @Column('text') secret!: string;
  @Column('text', { name: 'previous_secret', nullable: true }) previousSecret!: string | null;
  @Column('timestamptz', { name: 'previous_secret_until', nullable: true }) previousSecretUntil!: Date | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
}
