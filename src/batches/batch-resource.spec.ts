import { batchResource, creationAnswer } from './batch-resource.js';
import type { BatchStatus } from './batch-state.js';
import type { BatchRow } from './batch-rows.sql.js';

const ROW: BatchRow = {
  id: 17,
  fileName: 'people.jsonl',
  importProcessId: 3,
  importProcessName: 'Members',
  importProcessVersion: 2,
  workflowVersion: null,
  creationPath: 'IMPORT_QUEUE_API:LH',
  status: 'queued',
  metadata: null,
  failureReason: null,
  pauseReason: null,
  control: null,
  pauseDetail: null,
  batchesAhead: null,
  isLimited: false,
  noWorkerFits: false,
  retryOf: null,
  resendOf: null,
  undoOf: null,
  undoneBy: null,
  replacedBy: null,
  timeZone: 'UTC',
  mayBeUndone: true,
  fromFile: false,
  retriedBy: null,
  createdBy: 'api-key:1',
  createdAt: new Date('2026-01-01T00:00:00Z'),
  startedAt: null,
  finishedAt: null,
  expiredAt: null,
  total: 10,
  invalid: 1,
  succeeded: 0,
  failed: 0,
  skipped: 0,
  canceled: 0,
  unknown: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  pending: 9,
  recentlyDone: 0,
  now: new Date('2026-01-01T00:00:10Z'),
};

const SURROUNDINGS = { publicUrl: 'https://imports.example.org', isQueuePaused: false };

const actionsOf = (row: Partial<BatchRow>) => {
  const links = { ...batchResource({ ...ROW, ...row }, SURROUNDINGS).links };
  return Object.keys(links).filter((name) => !['self', 'records', 'results'].includes(name));
};

describe('the links of a batch', () => {
  it.each<[BatchStatus, string[]]>([
    ['queued', ['cancel', 'pause']],
    ['in_progress', ['cancel', 'pause']],
    ['paused', ['cancel', 'resume']],
    ['canceling', []],
    ['completed_with_errors', ['retryFailed', 'delete']],
    ['canceled', ['retryFailed', 'delete']],
  ])('name only what is allowed when it is %s', (status, actions) => {
    expect(actionsOf({ status })).toEqual(actions);
  });

  it('offer no retry when no record can be sent again', () => {
    expect(actionsOf({ status: 'canceled', invalid: 0, canceled: 10, pending: 0 })).toEqual(['delete']);
  });

  it('offer no retry when another batch does it already', () => {
    expect(actionsOf({ status: 'completed_with_errors', retriedBy: 18 })).toEqual(['delete']);
  });
});

describe('the progress of a batch', () => {
  const progressOf = (row: Partial<BatchRow>) => batchResource({ ...ROW, ...row }, SURROUNDINGS).progress;
  const startedAt = new Date('2026-01-01T00:00:00Z');

  it('has no rate before it starts', () => {
    expect(progressOf({})).toEqual({ processed: 1, total: 10, ratePerSecond: 0, etaSeconds: null });
  });

  it('gives the rate of the last seconds and the time that is left while it runs', () => {
    const row = { status: 'in_progress' as const, startedAt, succeeded: 4, pending: 5, recentlyDone: 4 };
    expect(progressOf(row)).toEqual({ processed: 5, total: 10, ratePerSecond: 0.4, etaSeconds: 13 });
  });

  it('has no time left to tell while it is paused', () => {
    const row = { status: 'paused' as const, startedAt, succeeded: 4, pending: 5, recentlyDone: 4 };
    expect(progressOf(row)).toMatchObject({ ratePerSecond: 0, etaSeconds: null });
  });

  it('gives the rate of the whole run when it has ended, records of pass 1 left out', () => {
    const finishedAt = new Date('2026-01-01T00:00:03Z');
    const row = { status: 'completed_with_errors' as const, startedAt, finishedAt, succeeded: 9, pending: 0 };
    expect(progressOf(row)).toEqual({ processed: 10, total: 10, ratePerSecond: 3, etaSeconds: null });
  });

  /** Break it: in `progressOf`, leave out `canceled`. */
  it('does not count what was canceled as processed, nor into the rate', () => {
    const finishedAt = new Date('2026-01-01T00:00:02Z');
    const row = {
      ...{ status: 'canceled' as const, startedAt, finishedAt },
      ...{ succeeded: 4, canceled: 5, pending: 0 },
    };
    expect(progressOf(row)).toEqual({ processed: 5, total: 10, ratePerSecond: 2, etaSeconds: null });
  });
});

describe('the answer to a creation', () => {
  it('counts what pass 1 refused and leaves the rest pending', () => {
    expect(
      creationAnswer(
        { id: 17, status: 'queued', totalCount: 1000, invalidCount: 2 },
        'https://imports.example.org',
      ),
    ).toEqual({
      WORKFLOW_IMPORT_QUEUE_BATCH_ID: 17,
      resultsUrl: 'https://imports.example.org/imports/17',
      status: 'queued',
      recordCounts: {
        total: 1000,
        invalid: 2,
        pending: 998,
        processing: 0,
        succeeded: 0,
        failed: 0,
        skipped: 0,
        canceled: 0,
        unknown: 0,
      },
      links: {
        self: '/API/WorkflowImportQueue/Batches/17',
        records: '/API/WorkflowImportQueue/Batches/17/Records',
        results: '/API/WorkflowImportQueue/Batches/17/Results',
        cancel: '/API/WorkflowImportQueue/Batches/17/Cancel',
        pause: '/API/WorkflowImportQueue/Batches/17/Pause',
      },
    });
  });
});

describe('why a batch waits', () => {
  const later = { notBefore: '2026-01-02T00:00:00Z', expiresAt: null } as BatchRow['control'];
  const reasonOf = (row: Partial<BatchRow>, isQueuePaused: boolean) =>
    batchResource({ ...ROW, ...row }, { ...SURROUNDINGS, isQueuePaused }).waitingFor?.reason ?? null;

  it.each<[Partial<BatchRow>, string | null, string | null]>([
    [{ status: 'queued' }, 'turn', 'queue_paused'],
    [{ status: 'in_progress' }, null, 'queue_paused'],
    [{ status: 'canceling' }, null, 'queue_paused'],
    [{ status: 'queued', control: later }, 'not_before', 'not_before'],
    [{ status: 'paused' }, 'paused', 'paused'],
    [{ status: 'awaiting_confirmation' }, null, null],
    [{ status: 'completed' }, null, null],
  ])('%j: %s, and %s while the queue is paused', (row, running, paused) => {
    expect([reasonOf(row, false), reasonOf(row, true)]).toEqual([running, paused]);
  });

  it.each<[BatchRow['status'], string | null, string | null]>([
    ['queued', 'concurrency', 'schema'],
    ['in_progress', 'concurrency', 'schema'],
    ['canceling', 'concurrency', 'schema'],
    ['paused', 'paused', 'paused'],
  ])('%s: %s while others use the limit up, and %s while no worker fits', (status, limited, unfit) => {
    const row = { status, isLimited: true };
    expect([reasonOf(row, false), reasonOf({ ...row, noWorkerFits: true }, false)]).toEqual([limited, unfit]);
  });
});
