import { setTimeout as delay } from 'node:timers/promises';

/**
 * The waits after the first, second… failed attempt, in milliseconds; the last one repeats. No attempt is the last: a
 * server that is down for a day, or a password that is wrong for a week, loses no mail.
 */
export const BACK_OFF_MS: readonly number[] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 60 * 60].map(
  (seconds) => seconds * 1000,
);

/** @param attempts how many have failed since the message was stored or asked for again, including this one */
export function backOff(attempts: number, schedule: readonly number[]): number {
  const wait = schedule[attempts - 1] ?? schedule.at(-1);
  if (wait === undefined) throw new Error('a back-off schedule needs at least one step');
  return wait;
}

export interface SendingTimes {
  /** See `BACK_OFF_MS`. */
  backOffMs: readonly number[];
  /**
   * How long a claim holds without renewal. The sender renews it, so a slow server may take the ten minutes that
   * RFC 5321 grants it, while another worker takes over the message of one that died after a minute.
   */
  claimMs: number;
  /** How long a webhook is tried again after failures: long enough for a receiver that is down over a weekend. */
  webhookRetriesMs: number;
  /** For the whole call: finding the host, connecting, sending, and the status of the answer. */
  webhookCallMs: number;
  /** For a whole mail. RFC 5321 grants its commands about this long together. */
  mailCallMs: number;
}

/** Injection token, so that tests do not wait for minutes. */
export const SENDING_TIMES = Symbol('SENDING_TIMES');

export const DEFAULT_SENDING_TIMES: SendingTimes = {
  backOffMs: BACK_OFF_MS,
  claimMs: 60_000,
  webhookRetriesMs: 3 * 24 * 60 * 60 * 1000,
  webhookCallMs: 15_000,
  mailCallMs: 30 * 60 * 1000,
};

/** Renews a claim while a slow server takes its time, and notices when it is lost. */
export class ClaimHolder {
  private readonly ending = new AbortController();
  private readonly onStop = () => this.ending.abort(this.stop.reason);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    /** Answers whether the claim still held and is renewed. */
    private readonly renewClaim: () => Promise<boolean>,
    private readonly claimMs: number,
    private readonly stop: AbortSignal,
  ) {}

  hold(): void {
    if (this.stop.aborted) this.onStop();
    this.stop.addEventListener('abort', this.onStop, { once: true });
    this.timer = setInterval(() => void this.renew(), this.claimMs / 3);
  }

  /** Aborts on `stop`, and when another worker has taken over after this process was silent for too long. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /**
   * Writes a result, again and again for as long as no other worker can have taken over. While PostgreSQL restarts no
   * one can claim either, and a mail whose delivery is not written would be sent twice.
   */
  async whileHeld<Answer>(write: () => Promise<Answer>): Promise<Answer> {
    const end = performance.now() + this.claimMs;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (performance.now() > end) throw error;
        await delay(Math.min(1_000, this.claimMs / 3));
      }
    }
  }

  release(): void {
    clearInterval(this.timer);
    this.stop.removeEventListener('abort', this.onStop);
  }

  private async renew(): Promise<void> {
    // While PostgreSQL is away the claim may run out, but no one can take over either.
    const held = await this.renewClaim().catch(() => true);
    if (!held) this.ending.abort(new Error('the claim was lost'));
  }
}
