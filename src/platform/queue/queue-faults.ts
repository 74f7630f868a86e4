import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import { errorMessage } from '../errors.js';

/** How soon a consumer that could not start tries again. */
export const START_AGAIN_AFTER_MS = 2_000;
/** A fault that lasts is reported again well within this time, so one that is not has ended. */
const FAULT_STANDS_MS = 3 * START_AGAIN_AFTER_MS;

/** What keeps this process from consuming its queues although Redis answers, such as a permission that its user lacks. */
@Injectable()
export class QueueFaults {
  private readonly logger = new Logger(QueueFaults.name);
  private readonly faults = new Map<string, { reason: string; at: number }>();

  /** Logged once for as long as it lasts, because it is reported with every attempt. */
  report(queue: string, error: unknown): void {
    const reason = errorMessage(error);
    if (this.standing(queue)?.reason !== reason) {
      this.logger.error({
        message: `the queue "${queue}" is not consumed; this process tries again`,
        error: reason,
      });
    }
    this.faults.set(queue, { reason, at: performance.now() });
  }

  /** A sentence per queue. */
  get current(): string[] {
    return [...this.faults.keys()].flatMap((queue) => {
      const fault = this.standing(queue);
      return fault === undefined ? [] : [`${queue} is not consumed: ${fault.reason}`];
    });
  }

  private standing(queue: string): { reason: string } | undefined {
    const fault = this.faults.get(queue);
    return fault !== undefined && performance.now() - fault.at < FAULT_STANDS_MS ? fault : undefined;
  }
}

/** Whether Redis refused a command of this user. Other errors of the connection are those of the check of Redis. */
export function isRefusal(error: unknown): boolean {
  return /^(NOPERM|NOAUTH|WRONGPASS)\b/.test(errorMessage(error));
}

/** What Bull remembers of a start. */
interface BullStart {
  handlers: Record<string, unknown>;
  _initializingProcess: Promise<unknown> | undefined;
  registeredEvents: Record<string, unknown> | undefined;
}

/** Bull would answer every further start with the failure of the first one, and refuse its handler as a second one. */
export function forgetFailedStart<Job>(queue: Queue<Job>): void {
  const start = queue as unknown as BullStart;
  start.handlers = {};
  start._initializingProcess = undefined;
  delete start.registeredEvents?.delayed;
}
