import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Logger, type OnApplicationBootstrap, type OnModuleDestroy, Optional } from '@nestjs/common';
import { errorStack } from './errors.js';
import { WorkPermit } from './work-permit.js';

/** The pause varies by this share in both directions: processes that started together do not ask together forever. */
const JITTER = 0.25;

export interface LoopOptions {
  /** The mean pause between the end of a pass and the beginning of the next. */
  intervalMs: number;
  /** Whether the first pass begins at the start of the process or one pause later. */
  begins: 'at once' | 'after a pause';
  /** What the log says of a pass that threw. */
  failure: string;
}

/**
 * Work that a process repeats from its start to its stop. Passes never overlap; a pass that throws is logged, and the
 * next one comes after the usual pause. `stop` aborts the signal of the pass under way and waits for its end.
 */
export abstract class Loop implements OnApplicationBootstrap, OnModuleDestroy {
  protected readonly logger = new Logger(this.constructor.name);
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: LoopOptions) {}

  /** @param stop is aborted when the process stops; a long pass then ends early */
  protected abstract pass(stop: AbortSignal): Promise<unknown>;

  onApplicationBootstrap(): void {
    this.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.stop();
  }

  /** Does nothing if the loop is running or was stopped. */
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

/** A loop that works on the database, and so only in a process that fits the schema. */
export abstract class WorkLoop extends Loop {
  @Optional() @Inject(WorkPermit) private readonly permit: WorkPermit | undefined;

  protected override isPermitted(): boolean {
    return this.permit?.permitted ?? true;
  }
}
