import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { AdmissionGate } from '../../common/admission-gate.js';
import { RateLimiter, type RateState } from '../../common/rate-limiter.js';
import { AppConfig } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { tooManyRequests, tooManyUploads, tooManyWaitingBatches } from './admission.errors.js';
import { countUnfinished } from './count-unfinished.js';

/** So long one count of the waiting batches serves all calls. */
const COUNT_SERVES_MS = 500;

/** Decides whether a call that makes a batch is let in now. What is refused here cost nothing yet. */
@Injectable()
export class AdmissionService {
  readonly gate: AdmissionGate;
  /** Transactions that wait for a client: never more than half of the connections, however slow the clients are. */
  private readonly openTransactions: AdmissionGate;
  private readonly rates: RateLimiter | null;
  private counted = { at: -Infinity, count: Promise.resolve(0) };

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {
    this.gate = new AdmissionGate(config.maxOpenUploads, config.admissionWaitMs);
    this.openTransactions = new AdmissionGate(config.databasePoolSize >> 1, config.admissionWaitMs);
    this.rates = config.createRatePerMinute > 0 ? new RateLimiter(config.createRatePerMinute) : null;
  }

  /** `null` where no rate is set. @throws DomainError 429 `rate_limit_exceeded` */
  rate(principal: Principal): RateState | null {
    const rate = this.rates?.take(principal.id) ?? null;
    if (rate?.allowed === false) throw tooManyRequests(rate);
    return rate;
  }

  /**
   * Waits for the call's turn; who calls must `gate.leave` afterwards.
   * @throws DomainError 503 `too_many_waiting_batches`, `too_many_uploads`
   */
  async enter(gone: AbortSignal): Promise<void> {
    const { maxWaitingBatches, maxOpenUploads } = this.config;
    if (maxWaitingBatches > 0 && (await this.unfinished(maxWaitingBatches)) >= maxWaitingBatches) {
      throw tooManyWaitingBatches(maxWaitingBatches);
    }
    if (!(await this.gate.enter(gone))) throw tooManyUploads(maxOpenUploads);
  }

  /**
   * Stores a body, perhaps while it still arrives. One that is complete waits for nobody while its transaction is open.
   * @throws DomainError 503 `too_many_uploads`
   */
  async whileReceiving<Result>(
    { complete }: { complete: boolean },
    store: () => Promise<Result>,
  ): Promise<Result> {
    if (complete) return store();
    if (!(await this.openTransactions.enter())) throw tooManyUploads(this.openTransactions.limit);
    try {
      return await store();
    } finally {
      this.openTransactions.leave();
    }
  }

  private unfinished(limit: number): Promise<number> {
    const now = performance.now();
    if (now - this.counted.at > COUNT_SERVES_MS) {
      const count = countUnfinished(this.database, limit);
      // Those that wait for it hear of its failure; the next call counts anew.
      count.catch(() => (this.counted.at = -Infinity));
      this.counted = { at: now, count };
    }
    return this.counted.count;
  }
}
