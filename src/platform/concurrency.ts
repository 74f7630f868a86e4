/** The promise's outcome, or an error when there is none within the bound. What it waited for goes on unheeded. */
export async function withTimeout<Result>(boundMs: number, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${boundMs} ms`)), boundMs);
  });
  try {
    return await Promise.race([promise, bound]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The last `capacity` answers used, by key. Calls at the same time share one piece of work; work that fails
 * is forgotten, so that the next call tries again.
 */
export class PromiseCache<Answer> {
  private readonly answers = new Map<string, Promise<Answer>>();

  constructor(private readonly capacity: number) {}

  get(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const answer = this.answers.get(key) ?? this.begin(key, work);
    // A Map keeps insertion order: whatever was used last stands last, and the first is dropped first.
    this.answers.delete(key);
    this.answers.set(key, answer);
    const [oldest] = this.answers.keys();
    if (this.answers.size > this.capacity && oldest !== undefined) this.answers.delete(oldest);
    return answer;
  }

  private begin(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const answer = work();
    answer.catch(() => {
      if (this.answers.get(key) === answer) this.answers.delete(key);
    });
    return answer;
  }
}

interface Waiting {
  admit: () => void;
  refuse: () => void;
}

/**
 * Lets so many at a time in, the others wait in line: a burst is worked off instead of refused, and only who would
 * wait too long is turned away.
 */
export class AdmissionGate {
  private inside = 0;
  private readonly line = new Set<Waiting>();

  constructor(
    readonly limit: number,
    private readonly longestWaitMs: number,
  ) {}

  get open(): number {
    return this.inside;
  }

  get waiting(): number {
    return this.line.size;
  }

  /** Answers whether the caller is in; who is must `leave` exactly once. @param gone aborts the wait */
  async enter(gone?: AbortSignal): Promise<boolean> {
    if (this.inside < this.limit) {
      this.inside += 1;
      return true;
    }
    if (this.longestWaitMs === 0 || gone?.aborted) return false;
    return new Promise<boolean>((resolve) => {
      const refuse = () => settle(false);
      const waiting: Waiting = { admit: () => settle(true), refuse };
      const timer = setTimeout(refuse, this.longestWaitMs);
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

  /** The place goes to who has waited longest. */
  leave(): void {
    const [next] = this.line;
    if (next === undefined) this.inside -= 1;
    else next.admit();
  }
}
