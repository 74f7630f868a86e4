import { ADVISORY_LOCK_CLASSES, type AdvisoryLock, tryLock } from './advisory-locks.js';

describe('the advisory locks', () => {
  /** Break it: give two locks one class, as migrations and the reconciler once had. */
  it('differ from each other', async () => {
    const keys: unknown[] = [];
    const sql = {
      query: async <Row>(_text: string, values: readonly unknown[] = []) => {
        keys.push(values.join());
        return { rows: [{ locked: true }] as Row[], rowCount: 1 };
      },
    };
    for (const lock of Object.keys(ADVISORY_LOCK_CLASSES)) await tryLock(sql, lock as AdvisoryLock);
    expect(new Set(keys).size).toBe(Object.keys(ADVISORY_LOCK_CLASSES).length);
  });
});
