import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type OnModuleInit,
} from '@nestjs/common';
import type { Response } from 'express';
import { defer, finalize, from, type Observable, switchMap } from 'rxjs';
import type { AuthenticatedRequest } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { countUnfinished } from '../batches/batches.sql.js';
import { countUnconfirmed } from '../batches/uploads.sql.js';
import { BoundedMap, Gate, isWithinShare } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { publishMeasurement } from '../platform/instrumentation.js';
import {
  type LimitState,
  type SharedLimit,
  SharedLimits,
  type SharedSlots,
} from '../platform/shared-limits.js';
import {
  tooManyRecordsToday,
  tooManyRequests,
  tooManyUnconfirmedUploads,
  tooManyUploads,
  tooManyUploadsOfKey,
  tooManyWaitingBatches,
} from './import-queue.errors.js';

const WINDOW_SECONDS = 60;
const DAY_SECONDS = 24 * 3600;

/** The headers of draft-ietf-httpapi-ratelimit-headers-10. */
function rateLimitHeaders({ limit, remaining, seconds }: LimitState): Record<string, string> {
  return {
    'RateLimit-Policy': `"create";q=${limit};w=${WINDOW_SECONDS}`,
    RateLimit: `"create";r=${remaining};t=${seconds}`,
  };
}

/** How long one count of the waiting batches is reused for all calls. */
const COUNT_REUSE_MS = 500;

/** Counts the records of a body as they are stored. @throws DomainError 429 `too_many_records_today` */
export type RecordQuota = (records: number) => Promise<void>;

/** Decides whether a call that creates a batch is admitted, before it causes any cost (ADR 16). */
@Injectable()
export class AdmissionService implements OnModuleInit {
  readonly gate: Gate;
  /**
   * Transactions that wait for a client take at most half of the connections, regardless of how slow the clients are.
   */
  private readonly openTransactions: Gate;
  private rates: SharedLimit | null = null;
  private records: SharedLimit | null = null;
  private slots: SharedSlots | null = null;
  /** By owner; the empty name stands for all. */
  private readonly counts = new BoundedMap<string, { at: number; count: Promise<number> }>(1000);

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly shared: SharedLimits,
  ) {
    this.gate = new Gate(config.maxOpenUploads, { longestWaitMs: config.admissionWaitMs });
    this.openTransactions = new Gate(config.databasePoolSize >> 1, { longestWaitMs: config.admissionWaitMs });
  }

  onModuleInit(): void {
    const { createRatePerMinute, recordsPerKeyPerDay, openUploadsPerKey } = this.config;
    const limit = (name: string, points: number, windowSeconds: number) =>
      points === 0 ? null : this.shared.limit({ name, points, windowSeconds });
    this.rates = limit('create', createRatePerMinute, WINDOW_SECONDS);
    this.records = limit('records', recordsPerKeyPerDay, DAY_SECONDS);
    this.slots = openUploadsPerKey === 0 ? null : this.shared.slotsOf('uploads', openUploadsPerKey);
  }

  /** `null` if no rate is configured. @throws DomainError 429 `rate_limit_exceeded` */
  async rate({ id }: Principal): Promise<LimitState | null> {
    const rate = (await this.rates?.take(id)) ?? null;
    if (rate?.allowed === false) this.publish('rate_limit_exceeded');
    if (rate?.allowed === false) throw tooManyRequests(rate, rateLimitHeaders(rate));
    return rate;
  }

  /**
   * Waits for the call's turn. An admitted caller must call the returned function exactly once.
   * @throws DomainError 503 `too_many_waiting_batches`, `too_many_uploads`; 429 `too_many_uploads_of_key`
   */
  async enter(principal: Principal, gone: AbortSignal): Promise<() => void> {
    try {
      const leave = await this.waitForTurn(principal, gone);
      this.publish();
      return () => {
        leave();
        this.publish();
      };
    } catch (error) {
      this.publish(error instanceof DomainError ? error.code : 'fault');
      throw error;
    }
  }

  private publish(refused?: string): void {
    const { open, waiting } = this.gate;
    publishMeasurement('admission', { open, waiting, ...(refused !== undefined && { refused }) });
  }

  private async waitForTurn({ id }: Principal, gone: AbortSignal): Promise<() => void> {
    const { maxOpenUploads, openUploadsPerKey } = this.config;
    await this.assertRoomForBatch(id);
    if (!(await this.gate.enter({ gone, owner: id }))) throw tooManyUploads(maxOpenUploads);
    // After the wait, so that a burst is worked off instead of refused.
    const giveBack = this.slots === null ? () => undefined : await this.slots.take(id);
    if (giveBack === null) {
      this.gate.leave(id);
      throw tooManyUploadsOfKey(openUploadsPerKey);
    }
    return () => {
      this.gate.leave(id);
      giveBack();
    };
  }

  /**
   * Stores a body, which may still be arriving. A complete body needs no gate, because its transaction does not wait
   * for a client.
   * @throws DomainError 503 `too_many_uploads`
   */
  async whileReceiving<Result>(
    { complete }: { complete: boolean },
    { id }: Pick<Principal, 'id'>,
    store: () => Promise<Result>,
  ): Promise<Result> {
    if (complete) return store();
    const refusal = () => tooManyUploads(this.openTransactions.limit);
    return this.openTransactions.run(store, refusal, { owner: id });
  }

  /** The principal's quota of records, which also counts records of bodies that are refused in the end. */
  quotaOf({ id }: Principal): RecordQuota {
    return async (records) => {
      const state = records === 0 ? undefined : await this.records?.take(id, records);
      if (state?.allowed === false) throw tooManyRecordsToday(state);
    };
  }

  /** @throws DomainError 503 `too_many_unconfirmed_uploads` */
  async assertRoomForUnconfirmed({ id }: Principal): Promise<void> {
    const { unconfirmedUploadsPerKey: limit } = this.config;
    if (limit > 0 && (await countUnconfirmed(this.database, id, limit)) >= limit) {
      throw tooManyUnconfirmedUploads(limit);
    }
  }

  /** Of the unfinished batches, each creator gets a share, so that one of them cannot keep out all others. */
  private async assertRoomForBatch(owner: string): Promise<void> {
    const { maxWaitingBatches: limit } = this.config;
    if (limit === 0) return;
    const free = limit - (await this.unfinished('', limit));
    if (free <= 0) throw tooManyWaitingBatches(limit);
    // While there are fewer than a third, no single owner can have more than its share.
    if (isWithinShare(limit - free, free)) return;
    if (!isWithinShare(await this.unfinished(owner, limit), free)) throw tooManyWaitingBatches(limit, true);
  }

  private unfinished(owner: string, limit: number): Promise<number> {
    const now = performance.now();
    const known = this.counts.get(owner);
    if (known !== undefined && now - known.at <= COUNT_REUSE_MS) return known.count;
    const count = countUnfinished(this.database, limit, owner === '' ? null : owner);
    const entry = { at: now, count };
    // The calls that wait for this count get its error; the next call counts again.
    count.catch(() => (entry.at = -Infinity));
    this.counts.set(owner, entry);
    return count;
  }
}

/** `@UseInterceptors(AdmissionInterceptor)` on every route whose body becomes a batch. */
@Injectable()
export class AdmissionInterceptor implements NestInterceptor {
  constructor(private readonly admission: AdmissionService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const { principal } = http.getRequest<AuthenticatedRequest>();
    const response = http.getResponse<Response>();
    return defer(() => from(this.admit(principal, response))).pipe(
      switchMap((leave) => next.handle().pipe(finalize(leave))),
    );
  }

  private async admit(principal: Principal, response: Response): Promise<() => void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const rate = await this.admission.rate(principal);
    if (rate !== null) response.set(rateLimitHeaders(rate));
    return this.admission.enter(principal, gone.signal);
  }
}

/**
 * The longest time that requests take one after the other. A burst of them arrives in one turn of the event loop, which
 * would answer nothing else before the last of them was begun: with hundreds, a probe would wait for a quarter of a
 * second and the process be taken for dead.
 */
const LONGEST_BURST_MS = 20;
/** What a request causes after its listener has returned runs before the next turn, and is not measured. */
const MOST_TOGETHER = 16;

/** Probes decide whether the process is restarted, so they go first. */
const PROBE = /\/health\/(?:live|ready)\/?(?:\?|$)/i;

interface Waiting {
  request: IncomingMessage;
  response: ServerResponse;
}

/**
 * Lets a burst of requests begin over several turns of the event loop, in the order of their arrival; only probes pass
 * the others. A request that finds no burst begins at once.
 */
export function beginInTurns(server: Server): void {
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  const probes: Waiting[] = [];
  const others: Waiting[] = [];
  let begun = 0;
  let together = 0;
  let isTurnOpen = false;

  const isOver = () => together >= MOST_TOGETHER || performance.now() - begun >= LONGEST_BURST_MS;
  const begin = ({ request, response }: Waiting) => {
    together += 1;
    for (const listener of listeners) listener.call(server, request, response);
  };
  const openTurn = () => {
    if (isTurnOpen) return;
    isTurnOpen = true;
    begun = performance.now();
    together = 0;
    setImmediate(() => {
      isTurnOpen = false;
      if (probes.length + others.length > 0) beginWaiting();
    });
  };
  const beginWaiting = () => {
    openTurn();
    while (!isOver()) {
      const next = probes.shift() ?? others.shift();
      if (next === undefined) return;
      begin(next);
    }
  };

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const queue = PROBE.test(request.url ?? '') ? probes : others;
    openTurn();
    if (queue.length > 0 || isOver()) queue.push({ request, response });
    else begin({ request, response });
  });
}
