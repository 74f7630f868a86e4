import { setTimeout as delay } from 'node:timers/promises';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  Optional,
} from '@nestjs/common';
import { errorStack } from './errors.js';

/**
 * A map of at most `capacity` entries, so that memory stays bounded for any keys. A new entry replaces the entry that
 * has been unused for longest.
 */
export class BoundedMap<Key, Value> {
  private readonly entries = new Map<Key, Value>();

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.entries.size;
  }

  /** Reading an entry counts as use. */
  get(key: Key): Value | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    // A Map keeps insertion order: the most recently used entry is last, and the first entry is dropped first.
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.capacity) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      break;
    }
  }

  delete(key: Key): void {
    this.entries.delete(key);
  }

  /** Deletes the entry unless it was replaced meanwhile. */
  deleteValue(key: Key, value: Value): void {
    if (this.entries.get(key) === value) this.entries.delete(key);
  }
}

/**
 * Caches results of asynchronous work by key. Concurrent calls share one run of the work. Failed work is forgotten, so
 * that the next call tries again.
 */
export class PromiseCache<Answer> {
  private readonly answers: BoundedMap<string, Promise<Answer>>;

  constructor(capacity: number) {
    this.answers = new BoundedMap(capacity);
  }

  get(key: string, work: () => Promise<Answer>): Promise<Answer> {
    return this.answers.get(key) ?? this.begin(key, work());
  }

  private begin(key: string, answer: Promise<Answer>): Promise<Answer> {
    this.answers.set(key, answer);
    answer.catch(() => this.answers.deleteValue(key, answer));
    return answer;
  }
}

/** Returns the promise's result, or rejects once the time is over. The work itself continues, unobserved. */
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

/** Waits until the promise is settled, either way. Returns `false` when that takes longer than the limit. */
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
 * A semaphore: admits at most `limit` callers at a time and queues the others. It works off a burst instead of refusing
 * it, and turns away only callers that would wait too long.
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

  /**
   * Runs the work inside the gate, at once if there is room. @throws the error that `refusal` creates, when turned away
   */
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

/**
 * Divides long synchronous work into turns by time, not by number of steps: the cost of a step varies a thousandfold.
 */
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

/** The pause varies by this share in both directions, so that processes that started together drift apart. */
const JITTER = 0.25;

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

export interface LoopOptions {
  /** The mean pause between the end of a pass and the beginning of the next. */
  intervalMs: number;
  /** Whether the first pass begins at the start of the process or one pause later. */
  begins: 'at once' | 'after a pause';
  /** The log message for a pass that threw. */
  failure: string;
}

/**
 * Work that a process repeats from its start to its stop. Passes never overlap. A pass that throws is logged, and the
 * next one follows after the usual pause. `stop` aborts the signal of the current pass and waits for its end.
 */
export abstract class Loop implements OnApplicationBootstrap, OnModuleDestroy {
  protected readonly logger = new Logger(this.constructor.name);
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: LoopOptions) {}

  /** @param stop aborted when the process stops; a long pass then ends early */
  protected abstract pass(stop: AbortSignal): Promise<unknown>;

  onApplicationBootstrap(): void {
    this.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.stop();
  }

  /** Does nothing if the loop is running or has been stopped. */
  start(): void {
    this.running ??= this.runUntilStopped();
  }

  /** Resolves once no pass is running and none will begin. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Aborted once the process stops. */
  protected get stopSignal(): AbortSignal {
    return this.stopping.signal;
  }

  private async runUntilStopped(): Promise<void> {
    if (this.options.begins === 'after a pause') await this.pause();
    while (!this.stopSignal.aborted) {
      if (this.isPermitted()) await this.runPass();
      await this.pause();
    }
  }

  /** Whether a pass may begin now. */
  protected isPermitted(): boolean {
    return true;
  }

  private async runPass(): Promise<void> {
    try {
      await this.pass(this.stopSignal);
    } catch (error) {
      this.logger.error({ message: this.options.failure }, errorStack(error));
    }
  }

  private async pause(): Promise<void> {
    const pauseMs = this.options.intervalMs * (1 - JITTER + 2 * JITTER * Math.random());
    await delay(pauseMs, undefined, { signal: this.stopSignal, ref: false }).catch(() => undefined);
  }
}

/** A loop that works on the database and therefore runs only in a process that fits the schema. */
export abstract class WorkLoop extends Loop {
  @Optional() @Inject(WorkPermit) private readonly permit: WorkPermit | undefined;

  protected override isPermitted(): boolean {
    return this.permit?.permitted ?? true;
  }
}
