import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit-log.sql.js';
import type { Principal } from '../auth/principal.js';
import { WORKER_LIVES_SECONDS } from '../batches/batch-rows.sql.js';
import {
  type Attention,
  durationOf,
  type Durations,
  type LiveWorker,
  markFailuresViewed,
  type OutcomeSums,
  selectAttention,
  selectDurations,
  selectStatistics,
  selectStorage,
  selectWorkers,
  type StatisticsPart,
} from '../batches/statistics.sql.js';
import { selectUnsent, type Unsent } from '../delivery/outbox.sql.js';
import { visibleTo } from '../import-processes/import-process.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import {
  type DatabaseFacts,
  PROGRAM_VERSION,
  selectDatabaseFacts,
} from '../platform/database/installation.js';
import { defineErrors } from '../platform/errors.js';
import { QueuePauses } from '../platform/queue/queues.js';

/** The spans of the overview: parts of the picture, and parts that a sparkline shows as one. */
export const OVERVIEW_SPANS = {
  '24h': { hours: 24, partHours: 1, sparkParts: 1 },
  '7d': { hours: 7 * 24, partHours: 1, sparkParts: 6 },
  '30d': { hours: 30 * 24, partHours: 6, sparkParts: 4 },
} as const;
export type OverviewSpan = keyof typeof OVERVIEW_SPANS;

const HOUR_MS = 3_600_000;
/** Outcomes within a part of the span. */
export type SpanPart = Omit<OutcomeSums, 'batches'> & { at: Date };

/** One file type within the span. */
export interface FileTypeFigures extends OutcomeSums {
  id: number;
  name: string;
  icon: string;
  /** The share of records that failed or were invalid, from 0 to 1; null for parts without records. Oldest first. */
  failureShares: (number | null)[];
  /** `null` if no import has ended. */
  medianMs: number | null;
  slowest: { ms: number; batchId: number } | null;
}

export interface Overview {
  from: Date;
  partHours: number;
  parts: SpanPart[];
  total: OutcomeSums;
  fileTypes: FileTypeFigures[];
  attention: Attention;
  workers: LiveWorker[];
  unsent: Unsent;
  /** Oldest first. */
  storage: { at: Date; bytes: number }[];
  /** `null` while Redis does not answer. */
  pausedQueues: readonly string[] | null;
}

const errors = defineErrors({
  queue_not_found: { status: 404, title: 'There is no such queue' },
});

const NOTHING: OutcomeSums = { batches: 0, succeeded: 0, failed: 0, invalid: 0, skipped: 0, canceled: 0 };
const NAMES = Object.keys(NOTHING) as (keyof OutcomeSums)[];

/** What goes on in the installation. Reads the statistics by hour, and the few batches that need a person. */
@Injectable()
export class OverviewService {
  constructor(
    private readonly database: DatabaseService,
    private readonly importProcesses: ImportProcessesService,
    private readonly pauses: QueuePauses,
  ) {}

  async read(span: OverviewSpan, principal: Principal): Promise<Overview> {
    const { hours, partHours, sparkParts } = OVERVIEW_SPANS[span];
    const { importProcessIds } = principal;
    const from = beginning(hours, partHours);
    const selection = { from, partHours, importProcessIds };
    const [parts, durations, storage, attention, workers, unsent, processes, pausedQueues] =
      await Promise.all([
        selectStatistics(this.database, selection),
        selectDurations(this.database, selection),
        selectStorage(this.database, selection),
        selectAttention(this.database, importProcessIds),
        selectWorkers(this.database, WORKER_LIVES_SECONDS),
        selectUnsent(this.database),
        this.importProcesses.list(),
        this.pauses.read(),
      ]);
    const count = hours / partHours;
    const visible = visibleTo(principal, processes);
    const shown = new Set(visible.map(({ id }) => id));
    return {
      ...{ from, partHours, attention, unsent, storage, pausedQueues },
      parts: Array.from({ length: count }, (_, part) => ({
        at: new Date(from.getTime() + part * partHours * HOUR_MS),
        ...sumOf(parts.filter((each) => each.part === part)),
      })),
      total: sumOf(parts),
      fileTypes: visible.flatMap(({ id, name, icon }) => {
        const own = parts.filter(({ importProcessId }) => importProcessId === id);
        if (own.length === 0) return [];
        const took = durations.find(({ importProcessId }) => importProcessId === id);
        return {
          ...{ id, name, icon },
          ...sumOf(own),
          failureShares: failureShares(own, count, sparkParts),
          ...durationsOf(took),
        };
      }),
      workers: workers.map((worker) => ({
        ...worker,
        chunks: worker.chunks.map((chunk) =>
          shown.has(chunk.importProcessId) ? chunk : { ...chunk, fileName: '' },
        ),
      })),
    };
  }

  /** The versions that run, and the size of the database. */
  async installation(): Promise<{ program: string; database: DatabaseFacts }> {
    return { program: PROGRAM_VERSION, database: await selectDatabaseFacts(this.database) };
  }

  /** Records per day of the last 30 days, oldest first, of each import process that had any. */
  async sparklines(principal: Principal): Promise<Map<number, number[]>> {
    const from = beginning(30 * 24, 24);
    const { importProcessIds } = principal;
    const parts = await selectStatistics(this.database, { from, partHours: 24, importProcessIds });
    const days = new Map<number, number[]>();
    for (const { importProcessId, part, ...sums } of parts) {
      const line = days.get(importProcessId) ?? Array.from({ length: 30 }, () => 0);
      line[part] = outcomesIn(sums);
      days.set(importProcessId, line);
    }
    return days;
  }

  /** @throws DomainError 404 `queue_not_found` */
  async resumeQueue(name: string, principal: Principal): Promise<void> {
    if (!(await this.pauses.resume(name)))
      throw errors.queue_not_found(`There is no queue "${name.slice(0, 40)}".`);
    await writeAudit(this.database, {
      actor: principal.id,
      action: 'queue_resumed',
      subject: `queue:${name}`,
    });
  }

  /** The failures of all imports that have ended no longer ask for attention. */
  async markAllViewed({ importProcessIds }: Principal): Promise<void> {
    await markFailuresViewed(this.database, null, importProcessIds);
  }

  async markViewed(batchId: number, { importProcessIds }: Principal): Promise<void> {
    await markFailuresViewed(this.database, batchId, importProcessIds);
  }
}

/** The beginning of the span that ends with the present part. Parts begin at multiples of their length in UTC. */
function beginning(hours: number, partHours: number): Date {
  const length = partHours * HOUR_MS;
  const lastPart = Math.floor(Date.now() / length) * length;
  return new Date(lastPart - hours * HOUR_MS + length);
}

function sumOf(parts: readonly OutcomeSums[]): OutcomeSums {
  const sum = { ...NOTHING };
  for (const part of parts) for (const name of NAMES) sum[name] += part[name];
  return sum;
}

/** All records that have an outcome. */
export function outcomesIn({
  succeeded,
  failed,
  invalid,
  skipped,
  canceled,
}: Omit<OutcomeSums, 'batches'>): number {
  return succeeded + failed + invalid + skipped + canceled;
}

function failureShares(own: readonly StatisticsPart[], count: number, together: number): (number | null)[] {
  return Array.from({ length: Math.ceil(count / together) }, (_, place) => {
    const sums = sumOf(own.filter(({ part }) => Math.floor(part / together) === place));
    const records = outcomesIn(sums);
    return records === 0 ? null : (sums.failed + sums.invalid) / records;
  });
}

function durationsOf(durations: Durations | undefined): Pick<FileTypeFigures, 'medianMs' | 'slowest'> {
  if (durations === undefined) return { medianMs: null, slowest: null };
  const { items, slowestMs, slowestBatchId } = durations;
  const half = items.reduce((sum, { count }) => sum + count, 0) / 2;
  let below = 0;
  const middle = items.find(({ count }) => (below += count) >= half);
  const medianMs = middle === undefined ? slowestMs : Math.min(durationOf(middle.item), slowestMs);
  return { medianMs, slowest: { ms: slowestMs, batchId: slowestBatchId } };
}
