import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import { BEHAVIOR_QUEUE, type BehaviorJob, WEBHOOK_QUEUE } from '../../../queue/queues.js';
import { addWakeUps, type WakeUp } from '../../../queue/wake-ups.js';
import type { BehaviorKind } from '../../entities/behavior-outbox.entity.js';

/**
 * The behavior queues in Redis, as something that may be away: no method throws, none takes long. Mails and webhooks
 * have one each, since in one queue they would share their slots, and webhooks wait for hosts of others.
 */
@Injectable()
export class BehaviorQueue {
  private readonly logger = new Logger(BehaviorQueue.name);

  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) private readonly mails: Queue<BehaviorJob>,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue<BehaviorJob>,
  ) {}

  add(kind: BehaviorKind, wakeUps: readonly WakeUp<BehaviorJob>[]): Promise<void> {
    return addWakeUps(kind === 'webhook' ? this.webhooks : this.mails, wakeUps, this.logger);
  }
}
