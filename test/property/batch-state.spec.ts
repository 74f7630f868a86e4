import * as fc from 'fast-check';
import {
  allowedActions,
  BATCH_ACTIONS,
  BATCH_STATUSES,
  type BatchStatus,
  canBecome,
  type ChangingAction,
  EXPIRED,
  finalStatus,
  isAllowed,
  isTerminal,
  isUnfinished,
  statusAfter,
  UNFINISHED,
} from '../../src/batches/batch-state.js';

const status = fc.constantFrom(...BATCH_STATUSES);
const count = fc.nat({ max: 5 });
const end = fc.record({
  failureReason: fc.option(fc.constantFrom('no such target', EXPIRED), { nil: null }),
  invalid: count,
  failed: count,
  canceled: count,
  unknown: count,
});
const changingAction = fc.constantFrom(
  ...BATCH_ACTIONS.filter(
    (action): action is ChangingAction => !['retryFailed', 'resolve', 'undo', 'delete'].includes(action),
  ),
);

describe('the status of a batch', () => {
  /** Break it: allow `resume` where a batch is canceled. */
  it('never changes once it is terminal', () => {
    fc.assert(
      fc.property(status.filter(isTerminal), changingAction, status, (from, action, to) => {
        expect(statusAfter(action, { status: from, startedAt: new Date() })).toBeNull();
        expect(canBecome(from, to)).toBe(false);
      }),
    );
  });

  /** Break it: allow `confirm` where a batch is in progress. */
  it('changes only along allowed transitions, in any order of events', () => {
    const happening = fc.oneof(
      changingAction.map((action) => ({ action })),
      fc.constant({ start: true as const }),
      end.map((finish) => ({ finish })),
    );
    fc.assert(
      fc.property(
        fc.constantFrom<BatchStatus>('awaiting_confirmation', 'queued'),
        fc.array(happening),
        (from, all) => {
          let now = from;
          let startedAt: Date | null = null;
          for (const one of all) {
            let next: BatchStatus | null = null;
            if ('action' in one) next = statusAfter(one.action, { status: now, startedAt });
            else if ('start' in one) next = now === 'queued' ? 'in_progress' : null;
            else if (isUnfinished(now)) next = finalStatus(now, one.finish);
            if (next === null) continue;
            expect([now, next, canBecome(now, next)]).toEqual([now, next, true]);
            if (next === 'in_progress') startedAt ??= new Date();
            now = next;
          }
        },
      ),
    );
  });

  /** Break it: let `canceling` become only itself. */
  it('can always reach an end', () => {
    const reachesAnEnd = (from: BatchStatus, seen: readonly BatchStatus[] = []): boolean =>
      isTerminal(from) ||
      BATCH_STATUSES.some(
        (to) => !seen.includes(to) && canBecome(from, to) && reachesAnEnd(to, [...seen, from]),
      );
    for (const from of BATCH_STATUSES) expect([from, reachesAnEnd(from)]).toEqual([from, true]);
  });

  /** Break it: let `confirm` of `statusAfter` answer null. */
  it('lists an action exactly if it would change the batch', () => {
    fc.assert(
      fc.property(status, changingAction, fc.boolean(), (from, action, started) => {
        const after = statusAfter(action, { status: from, startedAt: started ? new Date() : null });
        expect(allowedActions(from).includes(action)).toBe(after !== null);
        expect(isAllowed(action, from)).toBe(after !== null);
      }),
    );
  });

  /** Break it: in `finalStatus`, ask for the fault first. */
  it('ends as canceled if it was canceling, and as failed only by a fault of its own', () => {
    fc.assert(
      fc.property(fc.constantFrom(...UNFINISHED), end, (from, counts) => {
        const last = finalStatus(from, counts);
        expect(last === 'canceled').toBe(from === 'canceling');
        const hasFault = counts.failureReason !== null && counts.failureReason !== EXPIRED;
        expect(last === 'failed').toBe(from !== 'canceling' && hasFault);
        const bad = counts.invalid + counts.failed + counts.canceled + counts.unknown;
        if (last === 'completed') expect(bad).toBe(0);
        if (last === 'completed_with_errors') expect(bad).toBeGreaterThan(0);
      }),
    );
  });

  /** Break it: let `resume` always answer `in_progress`. */
  it('of a batch that was paused before it started goes back to queued', () => {
    expect(statusAfter('resume', { status: 'paused', startedAt: null })).toBe('queued');
    expect(statusAfter('resume', { status: 'paused', startedAt: new Date() })).toBe('in_progress');
  });
});
