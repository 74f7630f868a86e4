import { setTimeout as delay } from 'node:timers/promises';

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
