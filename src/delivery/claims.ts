import { setTimeout as delay } from 'node:timers/promises';

/**
 * How long to wait after which failed attempt, in milliseconds; the last one repeats. There is no last attempt: a
 * server that is down for a day, or a password that is wrong for a week, loses no mail.
 */
export const BACK_OFF_MS: readonly number[] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 60 * 60].map(
  (seconds) => seconds * 1000,
);

/** @param attempts how many have failed since it was owed or asked for again, this one included */
export function backOff(attempts: number, schedule: readonly number[]): number {
  const wait = schedule[attempts - 1] ?? schedule.at(-1);
  if (wait === undefined) throw new Error('a back-off schedule needs at least one step');
  return wait;
}

export interface SendingTimes {
  /** See `BACK_OFF_MS`. */
  backOffMs: readonly number[];
  /**
   * How long a claim holds without a sign of life. The sender renews it, so a slow server may take the ten minutes
   * that RFC 5321 grants it, while the mail of a worker that died is taken over after one.
   */
  claimMs: number;
}

/** Injection token, so that tests need not wait for minutes. */
export const SENDING_TIMES = Symbol('SENDING_TIMES');

export const DEFAULT_SENDING_TIMES: SendingTimes = { backOffMs: BACK_OFF_MS, claimMs: 60_000 };

/** Keeps a claim alive while a slow server takes its time, and notices when it was lost. */
export class ClaimHolder {
  private readonly loss = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    /** Answers whether the claim still held and was renewed. */
    private readonly renewClaim: () => Promise<boolean>,
    private readonly claimMs: number,
  ) {}

  hold(): void {
    this.timer = setInterval(() => void this.renew(), this.claimMs / 3);
  }

  /** Aborts when somebody else has taken over, after this process had been silent for too long. */
  get lost(): AbortSignal {
    return this.loss.signal;
  }

  /**
   * Writes what must not be forgotten, again and again for as long as nobody can have taken over: while PostgreSQL
   * restarts nobody can claim either, and a mail whose sending is not written down would be sent twice.
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
  }

  private async renew(): Promise<void> {
    // While PostgreSQL is away the claim may run out, but nobody can take over either.
    const held = await this.renewClaim().catch(() => true);
    if (!held) this.loss.abort(new Error('the claim was lost'));
  }
}
