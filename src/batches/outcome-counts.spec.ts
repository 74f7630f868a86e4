import type { RecordOutcome } from '../records/target.js';
import { assertOneOutcomeEach, countOutcomes } from './records.sql.js';

const succeeded = (
  line: number,
  operation: 'created' | 'updated' | 'unchanged' = 'created',
): RecordOutcome => ({
  line,
  status: 'succeeded',
  operation,
  reference: null,
});
const records = [1, 2].map((line) => ({ line, payload: '{}' }));

describe('the outcomes of a target', () => {
  it('are accepted in any order', () => {
    expect(() => assertOneOutcomeEach(records, [succeeded(2), succeeded(1)])).not.toThrow();
  });

  it('are refused when a line is missing, naming it', () => {
    expect(() => assertOneOutcomeEach(records, [succeeded(1)])).toThrow('line 2');
  });

  it('are refused when a line comes twice or was never given', () => {
    expect(() => assertOneOutcomeEach(records, [succeeded(1), succeeded(1)])).toThrow('line 1');
    expect(() => assertOneOutcomeEach(records, [succeeded(1), succeeded(2), succeeded(3)])).toThrow('line 3');
  });

  it('are counted by status and operation', () => {
    const outcomes: RecordOutcome[] = [
      succeeded(1),
      succeeded(2, 'unchanged'),
      { line: 3, status: 'skipped', operation: null, reference: null },
      {
        line: 4,
        status: 'failed',
        operation: 'rejected',
        reference: null,
        error: { code: 'x', message: 'y' },
      },
    ];
    expect(countOutcomes(outcomes)).toEqual({
      succeeded: 2,
      failed: 1,
      skipped: 1,
      canceled: 0,
      unknown: 0,
      created: 1,
      updated: 0,
      unchanged: 1,
    });
  });
});
