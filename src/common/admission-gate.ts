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
