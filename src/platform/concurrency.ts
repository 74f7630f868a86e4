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

export interface GateCaller {
  /** Aborts the wait. */
  gone?: AbortSignal;
  /** Whose share the place counts against. */
  owner?: string;
}

interface Waiting {
  owner: string | undefined;
  admit: () => void;
}

/**
 * How an owner's share depends on what is free. With this factor one owner gets two thirds of everything, and two owners
 * two fifths each: whatever they do, another owner finds room.
 */
const SHARE_OF_FREE = 2;

/** Whether an owner with this many of a limited number of things may have one more. */
export function isWithinShare(owned: number, free: number): boolean {
  return free > 0 && (owned === 0 || owned < SHARE_OF_FREE * free);
}

/**
 * A semaphore: admits at most `limit` callers at a time and queues the others. It works off a burst instead of refusing
 * it, and turns away only callers that would wait too long. Callers with an owner get at most the owner's share, so that
 * one owner whose callers never leave cannot keep out all others.
 */
export class Gate {
  private inside = 0;
  private readonly owned = new Map<string, number>();
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
  tryEnter(owner?: string): boolean {
    const free = this.limit - this.inside;
    if (owner === undefined ? free <= 0 : !isWithinShare(this.ownedBy(owner), free)) return false;
    this.inside += 1;
    if (owner !== undefined) this.owned.set(owner, this.ownedBy(owner) + 1);
    return true;
  }

  /** Returns whether the caller was admitted. A caller that was admitted must call `leave` exactly once. */
  enter({ gone, owner }: GateCaller = {}): Promise<boolean> {
    if (this.tryEnter(owner)) return Promise.resolve(true);
    const { longestWaitMs = Infinity, mostWaiting = Infinity } = this.limits;
    if (longestWaitMs === 0 || this.line.size >= mostWaiting || gone?.aborted) return Promise.resolve(false);
    return new Promise<boolean>((resolve) => {
      const refuse = () => settle(false);
      const waiting: Waiting = { owner, admit: () => settle(true) };
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

  /**
   * Gives the place to the owner with the fewest places, and of that owner's callers to the one that has waited longest,
   * so that no one slips in between.
   * @param owner as on entering
   */
  leave(owner?: string): void {
    this.inside -= 1;
    if (owner !== undefined) {
      const left = this.ownedBy(owner) - 1;
      if (left > 0) this.owned.set(owner, left);
      else this.owned.delete(owner);
    }
    const inTurn = [...this.line].sort((a, b) => this.ownedBy(a.owner) - this.ownedBy(b.owner));
    for (const waiting of inTurn) {
      if (this.inside >= this.limit) return;
      if (this.tryEnter(waiting.owner)) waiting.admit();
    }
  }

  /**
   * Runs the work inside the gate, at once if there is room. @throws the error that `refusal` creates, when turned away
   */
  async run<Result>(
    work: () => Promise<Result>,
    refusal: () => Error,
    caller: GateCaller = {},
  ): Promise<Result> {
    if (!this.tryEnter(caller.owner) && !(await this.enter(caller))) throw refusal();
    try {
      return await work();
    } finally {
      this.leave(caller.owner);
    }
  }

  private ownedBy(owner: string | undefined): number {
    return owner === undefined ? 0 : (this.owned.get(owner) ?? 0);
  }
}

/**
 * Answers the results of the work, in the order of the items. Beside the result that its caller uses, at most `ahead`
 * later ones are under way. When its caller stops early, it waits for those.
 */
export async function* workAhead<Item, Result>(
  items: AsyncIterable<Item>,
  ahead: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Its error is thrown when its turn comes.
      result.catch(() => undefined);
      if (underWay.push(result) > ahead) yield await (underWay.shift() ?? result);
    }
    for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) yield await next;
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** How long synchronous work may hold up everything else in the process. */
const LONGEST_TURN_MS = 25;

/**
 * Divides long synchronous work into turns by time, not by number of steps: the cost of a step varies a thousandfold.
 * All work of the process that waits for its next turn takes turns: one per pass of the event loop. A request needs
 * several passes until it is answered, each of which would otherwise last as long as the turns of all chunks together.
 */
export class EventLoopTurn {
  private static readonly waiting: (() => void)[] = [];
  private begun = performance.now();

  private static beginNext(this: void): void {
    EventLoopTurn.waiting.shift()?.();
    if (EventLoopTurn.waiting.length > 0) setImmediate(EventLoopTurn.beginNext);
  }

  get isOver(): boolean {
    return performance.now() - this.begun >= LONGEST_TURN_MS;
  }

  /** Lets timers, sockets and other calls run first. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (EventLoopTurn.waiting.push(resolve) === 1) setImmediate(EventLoopTurn.beginNext);
    });
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
