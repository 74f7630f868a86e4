import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import { NOTIFICATION_QUEUE, type NotificationJob } from '../queue/queues.js';
import { addWakeUps, type WakeUp } from '../queue/wake-ups.js';

export interface NotificationWakeUp extends Pick<WakeUp<NotificationJob>, 'jobId' | 'delayMs'> {
  notificationId: number;
}

/** The notification queue in Redis, as something that may be away: no method throws, none takes long. */
@Injectable()
export class NotificationQueue {
  private readonly logger = new Logger(NotificationQueue.name);

  constructor(@InjectQueue(NOTIFICATION_QUEUE) private readonly queue: Queue<NotificationJob>) {}

  add(wakeUps: readonly NotificationWakeUp[]): Promise<void> {
    const jobs = wakeUps.map(({ notificationId, ...when }) => ({ job: { notificationId }, ...when }));
    return addWakeUps(this.queue, jobs, this.logger);
  }
}
