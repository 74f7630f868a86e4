import { Gate } from '../../platform/concurrency.js';

/** At least this many failures in a row open the circuit breaker. */
const FAILED_IN_A_ROW = 10;

/** A record, or an array of them, that is sent in one request. */
interface Sent {
  /** Whether the receiver took others after an attempt of this one had failed. */
  isSuspect: boolean;
}

/**
 * What this process knows about the receiver of an import process, and whether a failure is that of a record or that of
 * the receiver. An answer proves that the receiver is there at the time when its request was sent, not when the answer
 * ends: the body of an answer may drip long after the receiver has gone.
 */
export class Receiver {
  readonly gate: Gate;
  private deliveries = 0;
  /** Parcels that may still be answered. */
  private hopeful = 0;
  /** Parcels that have used up their attempts although nothing speaks against them. */
  private innocent = 0;
  /** When the latest request was sent that got an answer. */
  private takenAt = -Infinity;
  /** Failures since the latest answer; `since` is the time of the first one. */
  private run = { failures: 0, since: Infinity };
  private readonly mostFailures: number;

  constructor(concurrency: number) {
    this.gate = new Gate(concurrency);
    this.mostFailures = Math.max(FAILED_IN_A_ROW, 2 * concurrency);
  }

  /** A chunk begins. The first one after a pause starts the count again. */
  begin(): void {
    if (this.deliveries === 0) this.run = { failures: 0, since: Infinity };
    this.deliveries += 1;
  }

  end(): void {
    this.deliveries -= 1;
  }

  /** A parcel that was sent at that time got an answer. */
  noteAnswer(sentAt: number): void {
    this.takenAt = Math.max(this.takenAt, sentAt);
    if (sentAt > this.run.since) this.run = { failures: 0, since: Infinity };
  }

  /** An attempt failed. That of a suspect says nothing about the receiver. */
  noteFailure({ isSuspect }: Sent): void {
    if (isSuspect) return;
    this.run = { failures: this.run.failures + 1, since: Math.min(this.run.since, performance.now()) };
  }

  /** Nothing is left that could show that the receiver is there. */
  noteOutage(): void {
    this.run = { failures: this.mostFailures, since: performance.now() };
  }

  /** Whether failures are no longer those of single records: more in a row than chance explains. */
  get isUnavailable(): boolean {
    return this.run.failures >= this.mostFailures;
  }

  /** Whether it took a parcel that was sent after this time. */
  hasTaken(since: number): boolean {
    return this.takenAt > since;
  }

  /** Whether it may still take a parcel: one is under way or waits for its next attempt. */
  get mayTakeOthers(): boolean {
    return this.hopeful > 0;
  }

  /** Whether a parcel without a mark against it has used up its attempts: so the receiver may be at fault. */
  get hasFailedInnocents(): boolean {
    return this.innocent > 0;
  }

  /** Runs the work of a parcel that may be answered. */
  async expecting<Result>(work: () => Promise<Result>): Promise<Result> {
    this.hopeful += 1;
    try {
      return await work();
    } finally {
      this.hopeful -= 1;
    }
  }

  /** Waits with a parcel, within `expecting`, that has used up its attempts. */
  async exhausted(parcel: Sent, wait: () => Promise<void>): Promise<void> {
    const share = parcel.isSuspect ? 0 : 1;
    this.hopeful -= 1;
    this.innocent += share;
    try {
      await wait();
    } finally {
      this.hopeful += 1;
      this.innocent -= share;
    }
  }
}
