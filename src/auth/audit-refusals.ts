import { AsyncResource } from 'node:async_hooks';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { DatabaseService } from '../platform/database/database.service.js';
import { type AuditEntry, type AuditRow, inRequest, insertAuditRows } from './audit.js';
import type { Principal } from './principal.js';
import { networkOf } from './sign-in-throttle.js';

const WINDOW_MS = 60_000;
/** Kinds of refusals that this process writes separately per window. Further kinds share one row per action. */
const MOST_KINDS = 200;
const LONGEST_PATH = 200;

const REFUSALS: ReadonlySet<number> = new Set([401, 403, 429]);

/**
 * Writes refusals to the audit log. Anyone can cause refusals, so they must not fill the disk: the first of a kind is
 * written at once, and a second row per minute states how many equal ones followed from the same network.
 */
@Injectable()
export class RefusalLog implements BeforeApplicationShutdown {
  private readonly logger = new Logger(RefusalLog.name);
  private readonly repeated = new Map<string, AuditRow>();
  private readonly noted = new WeakSet<Request>();
  private window: NodeJS.Timeout | undefined;

  constructor(private readonly database: DatabaseService) {}

  /** Counts the refusal of a request. The caller need not wait. @param kind tells refusals of one action apart */
  async note(request: Request, entry: AuditEntry, kind: string): Promise<void> {
    if (this.noted.has(request)) return;
    this.noted.add(request);
    const row: AuditRow = { ...inRequest(entry), outcome: 'refused' };
    const { action, actor, address } = row;
    const key = JSON.stringify([action, kind, actor, networkOf(address ?? '')]);
    this.window ??= setTimeout(() => void this.flush(), WINDOW_MS).unref();
    const earlier = this.repeated.get(key);
    if (earlier !== undefined) {
      earlier.occurrences += 1;
    } else if (this.repeated.size >= MOST_KINDS) {
      this.countOther(action);
    } else {
      this.repeated.set(key, { ...row, occurrences: 0 });
      await this.write([row]);
    }
  }

  /** Writes what has been counted since the first refusals of each kind. */
  async flush(): Promise<void> {
    clearTimeout(this.window);
    this.window = undefined;
    const rows = [...this.repeated.values()].filter(({ occurrences }) => occurrences > 0);
    this.repeated.clear();
    if (rows.length > 0) await this.write(rows);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.flush();
  }

  private countOther(action: string): void {
    const key = `others ${action}`;
    const others = this.repeated.get(key);
    if (others !== undefined) {
      others.occurrences += 1;
      return;
    }
    const details = { sources: 'many' };
    const unknown = { actor: null, address: null, requestId: null };
    this.repeated.set(key, { ...unknown, action, details, outcome: 'refused', occurrences: 1 });
  }

  private async write(rows: readonly AuditRow[]): Promise<void> {
    await insertAuditRows(this.database, rows).catch((error: unknown) =>
      this.logger.warn(`Refusals are missing in the audit log: ${String(error)}`),
    );
  }
}

/** Notes every request that is answered 401, 403 or 429, whichever part of the program refused it. */
export function auditRefusals(log: RefusalLog): RequestHandler {
  return (request: Request & { principal?: Principal }, response: Response, next: NextFunction) => {
    // Bound, because the event comes outside the request whose address and id the entry needs.
    const note = AsyncResource.bind(() => {
      const { statusCode: status } = response;
      if (!REFUSALS.has(status)) return;
      const path = request.originalUrl.split('?', 1)[0]?.slice(0, LONGEST_PATH) ?? '';
      const { problemCode: code } = response.locals as { problemCode?: string };
      const actor = request.principal?.id ?? null;
      const details = { status, ...(code !== undefined && { code }), method: request.method, path };
      void log.note(request, { actor, action: 'access_refused', details }, `${status} ${code}`);
    });
    response.once('finish', note);
    next();
  };
}
