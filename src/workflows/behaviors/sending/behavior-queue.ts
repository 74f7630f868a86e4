import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import { BEHAVIOR_QUEUE, type BehaviorJob } from '../../../queue/queues.js';
import { addWakeUps, type WakeUp } from '../../../queue/wake-ups.js';

/** The behavior queue in Redis, as something that may be away: no method throws, none takes long. */
@Injectable()
export class BehaviorQueue {
  private readonly logger = new Logger(BehaviorQueue.name);

  constructor(@InjectQueue(BEHAVIOR_QUEUE) private readonly queue: Queue<BehaviorJob>) {}

  add(wakeUps: readonly WakeUp<BehaviorJob>[]): Promise<void> {
    return addWakeUps(this.queue, wakeUps, this.logger);
  }
}
