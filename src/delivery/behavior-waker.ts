import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { Loop } from '../platform/loop.js';
import { type DueBehavior, selectDueMails, selectDueWebhooks } from './behavior-outbox.sql.js';
import { BehaviorQueue } from './delivery-queues.js';
import type { BehaviorKind } from './message.js';

/**
 * Chunks commit behaviors, and what runs chunks knows of none; so they are looked for this often. That is one probe of
 * an index which is empty most of the time.
 */
const LOOK_EVERY_MS = 1_000;

/** As many as Redis should hold; the next ones follow as these are sent. */
const MAILS_AT_A_TIME = 1_000;

/** Of each host. Enough for several workers, and each attempt that ends wakes for the next to its host. */
const WEBHOOKS_AT_A_TIME = 32;

/**
 * One due behavior is woken at most once in this time, lest a backlog grow in Redis with every look at it. Wake-ups of
 * webhooks are dropped where their host is busy, so they come again sooner.
 */
const WAKE_AGAIN_AFTER_MS_OF: Readonly<Record<BehaviorKind, number>> = { sendEmail: 30_000, webhook: 5_000 };

/**
 * Has every behavior sent that is due, and those whose sender fell silent. They live in PostgreSQL, a job in Redis only
 * wakes somebody: one too many is harmless, and one that Redis lost is made again.
 */
@Injectable()
export class BehaviorWaker extends Loop {
  constructor(
    private readonly database: DatabaseService,
    private readonly queue: BehaviorQueue,
  ) {
    super({
      intervalMs: LOOK_EVERY_MS,
      begins: 'at once',
      failure: 'behaviors that are due could not be looked for',
    });
  }

  protected override async pass(): Promise<void> {
    await this.wake('sendEmail', await selectDueMails(this.database, MAILS_AT_A_TIME));
    await this.wake('webhook', await selectDueWebhooks(this.database, WEBHOOKS_AT_A_TIME));
  }

  private wake(kind: BehaviorKind, due: readonly DueBehavior[]): Promise<void> {
    const period = Math.floor(Date.now() / WAKE_AGAIN_AFTER_MS_OF[kind]);
    return this.queue.add(
      kind,
      due.map(({ id, attempts, resends }) => ({
        job: { behaviorId: id },
        // With the attempt, so that the job of one that failed never stands in the way of the next.
        jobId: `${id}.${attempts}.${resends}.${period}`,
      })),
    );
  }
}
