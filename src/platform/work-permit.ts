import { Injectable } from '@nestjs/common';

/**
 * Whether this process may work: take jobs and run its loops. It may not while it does not fit the schema of the
 * database; it then answers its probes and leaves the work to processes that fit.
 */
@Injectable()
export class WorkPermit {
  private listeners: ((permitted: boolean) => void)[] = [];
  private current: string | null = null;

  /** Why this process may not work; `null` while it may. */
  get refusal(): string | null {
    return this.current;
  }

  get permitted(): boolean {
    return this.current === null;
  }

  set(refusal: string | null): void {
    const wasPermitted = this.permitted;
    this.current = refusal;
    if (wasPermitted === this.permitted) return;
    for (const listener of this.listeners) listener(this.permitted);
  }

  onChange(listener: (permitted: boolean) => void): void {
    this.listeners.push(listener);
  }
}
