/** Returns the promise's result, or rejects once the time is over. What was waited for runs on, unobserved. */
export async function withTimeout<Result>(limitMs: number, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(limitMs)), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';

  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`);
  }
}

/** Waits until the promise is settled, in whichever way. Returns `false` when that takes longer than the limit. */
export async function settlesWithin(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  try {
    await withTimeout(limitMs, promise);
    return true;
  } catch (error) {
    return !(error instanceof TimeoutError);
  }
}

interface GateLimits {
  /** A caller that has waited this long is turned away. */
  longestWaitMs?: number;
  /** A caller that would wait behind this many others is turned away at once. */
  mostWaiting?: number;
}

interface Waiting {
  admit: () => void;
}

/**
 * A semaphore: admits at most `limit` callers at a time and lets the others wait in line. A burst is worked off instead
 * of refused; only callers that would wait too long are turned away.
 */
export class Gate {
  private inside = 0;
  private readonly line = new Set<Waiting>();

  constructor(
    readonly limit: number,
    private readonly limits: GateLimits = {},
  ) {}

  get open(): number {
    return this.inside;
  }

  get waiting(): number {
    return this.line.size;
  }

  /** Admits the caller if there is room now. A caller that was admitted must call `leave` exactly once. */
  tryEnter(): boolean {
    if (this.inside >= this.limit) return false;
    this.inside += 1;
    return true;
  }

  /**
   * Returns whether the caller was admitted. A caller that was admitted must call `leave` exactly once.
   * @param gone aborts the wait
   */
  enter(gone?: AbortSignal): Promise<boolean> {
    if (this.tryEnter()) return Promise.resolve(true);
    const { longestWaitMs = Infinity, mostWaiting = Infinity } = this.limits;
    if (longestWaitMs === 0 || this.line.size >= mostWaiting || gone?.aborted) return Promise.resolve(false);
    return new Promise<boolean>((resolve) => {
      const refuse = () => settle(false);
      const waiting: Waiting = { admit: () => settle(true) };
      const timer = longestWaitMs === Infinity ? undefined : setTimeout(refuse, longestWaitMs);
      const settle = (admitted: boolean) => {
        clearTimeout(timer);
        gone?.removeEventListener('abort', refuse);
        this.line.delete(waiting);
        resolve(admitted);
      };
      gone?.addEventListener('abort', refuse, { once: true });
      this.line.add(waiting);
    });
  }

  /** Gives the place to the caller that has waited longest, so that no one slips in between. */
  leave(): void {
    const [next] = this.line;
    if (next === undefined) this.inside -= 1;
    else next.admit();
  }

  /** Runs the work inside the gate, at once if there is room. @throws what `refusal` makes, when turned away */
  async run<Result>(work: () => Promise<Result>, refusal: () => Error): Promise<Result> {
    if (!this.tryEnter() && !(await this.enter())) throw refusal();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }
}

/** How long synchronous work may hold up everything else in the process. */
const LONGEST_TURN_MS = 25;

/** Divides long synchronous work into turns by time, not by number of steps: the cost of a step varies a thousandfold. */
export class EventLoopTurn {
  private begun = performance.now();

  get isOver(): boolean {
    return performance.now() - this.begun >= LONGEST_TURN_MS;
  }

  /** Lets timers, sockets and other calls run first. */
  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.begun = performance.now();
  }
}
