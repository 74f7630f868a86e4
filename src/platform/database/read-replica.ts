import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type CallHandler,
  type ExecutionContext,
  Logger,
  type NestInterceptor,
  type OnModuleDestroy,
} from '@nestjs/common';
import { DatabaseError, type Pool } from 'pg';
import { Observable } from 'rxjs';
import { withTimeout } from '../concurrency.js';
import { errorMessage } from '../errors.js';

interface Answer<Row> {
  rows: Row[];
  rowCount: number;
}

/** Runs one statement on the primary. */
type AskPrimary = <Row extends object>(text: string, values?: readonly unknown[]) => Promise<Answer<Row>>;

/** One request that reads, or one series of look-ups. */
interface Reading {
  /** Whether the replica has what was committed when this was asked; `undefined` if it must be asked. */
  isCurrent: Promise<boolean> | undefined;
  /** When it was asked, in milliseconds of `performance.now()`. */
  askedAt: number;
}

/** A replica that is current stays trusted for this long; a longer request, such as a download, asks again. */
const TRUST_MS = 1_000;
/** How long a request waits for the replica to catch up. The primary answers if it takes longer. */
const CATCH_UP_MS = 250;
const LOOK_EVERY_MS = 5;
/** A replica that lags is left alone for this long, so that not every request waits for it. */
const LAG_PAUSE_MS = 1_000;
/** A replica that does not answer within this time is out of use until it answers a probe. */
const ANSWER_MS = 1_000;
const PROBE_EVERY_MS = 2_000;

const WRITES = /^\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b/i;
/** A standby refuses every statement that writes, locks rows or draws a number. */
const READ_ONLY = '25006';

/**
 * Answers statements that only read from a replica of the database (`DATABASE_READ_URL`), within `during` and
 * `lookUps`. A reader sees everything that was committed before its request: the replica answers once it has replayed
 * what the primary had flushed at that moment. In every other case the primary answers, so a replica that lags or dies is
 * never noticed. Why: ADR 36.
 */
export class ReadReplica implements OnModuleDestroy {
  private readonly logger = new Logger('Replica');
  private readonly readings = new AsyncLocalStorage<Reading | undefined>();
  private readonly counts = { replica: 0, primary: 0 };
  private pausedUntil = -Infinity;
  private isOut = false;

  /** @param pool `undefined` without a replica */
  constructor(private readonly pool: Pool | undefined) {}

  /** The statements of readers, by the server that answered; `undefined` without a replica. */
  get answered(): Readonly<{ replica: number; primary: number }> | undefined {
    return this.pool && this.counts;
  }

  /** Statements of the work may be answered by the replica. */
  during<Result>(work: () => Result): Result {
    return this.pool === undefined ? work() : this.readings.run(newReading(), work);
  }

  /** For work that reads what it locks or writes: the primary answers. Afterwards the reader sees what was written. */
  async without<Result>(work: () => Promise<Result>): Promise<Result> {
    const reading = this.readings.getStore();
    if (reading === undefined) return work();
    try {
      return await this.readings.run(undefined, work);
    } finally {
      reading.isCurrent = undefined;
    }
  }

  /** For look-ups in an open transaction that do not depend on what the transaction has written. */
  lookUps(ask: AskPrimary): { query: AskPrimary } {
    if (this.pool === undefined) return { query: ask };
    const reading = newReading();
    return { query: (text, values) => this.readings.run(reading, () => this.query(text, values, ask)) };
  }

  /** Runs the statement on the replica if the reader may use it, else on the primary. */
  async query<Row extends object>(
    text: string,
    values: readonly unknown[] | undefined,
    ask: AskPrimary,
  ): Promise<Answer<Row>> {
    const reading = this.readings.getStore();
    if (this.pool === undefined || reading === undefined) return ask<Row>(text, values);
    if (WRITES.test(text)) return this.without(() => ask<Row>(text, values));
    if (await this.isCurrent(this.pool, reading, ask)) {
      try {
        const { rows, rowCount } = await this.pool.query<Row>(text, [...(values ?? [])]);
        this.counts.replica += 1;
        return { rows, rowCount: rowCount ?? 0 };
      } catch (error) {
        // The replica changes nothing, so the statement can be repeated; if it is wrong, the primary refuses it, too.
        if (isFaultOf(error)) this.takeOut(this.pool, error);
        if (codeOf(error) === READ_ONLY) return this.without(() => ask<Row>(text, values));
      }
    }
    this.counts.primary += 1;
    return ask<Row>(text, values);
  }

  async onModuleDestroy(): Promise<void> {
    // Statements on a server that is gone would delay the stop.
    if (this.pool !== undefined) await withTimeout(ANSWER_MS, this.pool.end()).catch(() => undefined);
  }

  private isCurrent(pool: Pool, reading: Reading, ask: AskPrimary): Promise<boolean> {
    const now = performance.now();
    if (reading.isCurrent === undefined || now - reading.askedAt > TRUST_MS) {
      reading.askedAt = now;
      reading.isCurrent = this.catchesUp(pool, ask);
    }
    return reading.isCurrent.then((isCurrent) => isCurrent && !this.isOut);
  }

  private async catchesUp(pool: Pool, ask: AskPrimary): Promise<boolean> {
    if (performance.now() < this.pausedUntil) return false;
    if (this.isOut) {
      this.probe(pool);
      return false;
    }
    try {
      const position = await positionOf(ask);
      const end = performance.now() + CATCH_UP_MS;
      while (!(await hasReplayed(pool, position))) {
        if (performance.now() > end) {
          this.pausedUntil = performance.now() + LAG_PAUSE_MS;
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
      return true;
    } catch (error) {
      this.takeOut(pool, error);
      return false;
    }
  }

  private takeOut(pool: Pool, error: unknown): void {
    if (this.isOut) return;
    this.isOut = true;
    this.pausedUntil = performance.now() + PROBE_EVERY_MS;
    this.logger.warn({
      message: 'the replica of DATABASE_READ_URL is not used, and the primary answers everything',
      error: errorMessage(error),
      openConnections: pool.totalCount,
    });
  }

  /** Looks whether the replica answers again. No request waits for it. */
  private probe(pool: Pool): void {
    this.pausedUntil = performance.now() + PROBE_EVERY_MS;
    hasReplayed(pool, '0/0').then(
      () => {
        this.isOut = false;
        this.pausedUntil = -Infinity;
        this.logger.log({ message: 'the replica of DATABASE_READ_URL answers again and is used' });
      },
      () => undefined,
    );
  }
}

/** Lets the replica answer pages and API calls that only read. The guard has looked up the caller on the primary. */
export class ReplicaInterceptor implements NestInterceptor {
  constructor(private readonly replica: ReadReplica) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method, principal } = context
      .switchToHttp()
      .getRequest<{ method: string; principal?: unknown }>();
    // Public routes are probes, which ask for the primary, and steps of a sign-in, which write.
    if (principal === undefined || (method !== 'GET' && method !== 'HEAD')) return next.handle();
    return new Observable((subscriber) => this.replica.during(() => next.handle().subscribe(subscriber)));
  }
}

function newReading(): Reading {
  return { isCurrent: undefined, askedAt: -Infinity };
}

/** What is visible on the primary was flushed before, so a replica that has replayed up to here shows all of it. */
async function positionOf(ask: AskPrimary): Promise<string> {
  const { rows } = await ask<{ position: string }>('SELECT pg_current_wal_flush_lsn()::text AS position');
  return rows[0]?.position ?? '';
}

/** @throws Error if the server is no replica: a former primary that nobody has stopped could be far behind. */
async function hasReplayed(pool: Pool, position: string): Promise<boolean> {
  const { rows } = await withTimeout(
    ANSWER_MS,
    pool.query<{ isReplica: boolean; replayed: boolean }>(
      `SELECT pg_is_in_recovery() AS "isReplica", pg_last_wal_replay_lsn() >= $1::pg_lsn AS replayed`,
      [position],
    ),
  );
  if (rows[0]?.isReplica !== true) throw new Error('the server is a primary, not a replica');
  return rows[0].replayed;
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof DatabaseError ? error.code : undefined;

/** The connection is lost or the server stops; other errors belong to the statement. */
function isFaultOf(error: unknown): boolean {
  return (
    !(error instanceof DatabaseError) || error.severity !== 'ERROR' || /^(57P|08|53)/.test(error.code ?? '')
  );
}
