/** The Bull queues. A job carries ids only: PostgreSQL is the truth, Redis a wake-up. */
export const CHUNK_QUEUE = 'import-chunks';
export const NOTIFICATION_QUEUE = 'notifications';
export const BEHAVIOR_QUEUE = 'behaviors';
export const WEBHOOK_QUEUE = 'webhooks';

/** One job = one chunk of one batch. */
export interface ChunkJob {
  batchId: number;
  chunkNumber: number;
}

export interface NotificationJob {
  notificationId: number;
}

/** In the queue of behaviors a mail, in that of webhooks the next one to the host of this one. */
export interface BehaviorJob {
  behaviorId: number;
}
