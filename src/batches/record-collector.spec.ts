import { copiedRows } from '../../test/support/copied-rows.js';
import type { RowVerdict } from '../records/target.js';
import { RecordCollector } from './record-collector.js';
import { PLAIN_RECORD_COPY, RECORD_COPY } from './records.sql.js';

const VALID: RowVerdict = { error: null, orderingKeys: [] };

describe('a chunk', () => {
  const MEGABYTE = 'x'.repeat(1024 ** 2);
  const chunksOf = (chunkSize: number, payloads: readonly string[], target = {}): number[][] => {
    const rows = RecordCollector.for(target, chunkSize);
    payloads.forEach((payload, index) => rows.add(index + 1, payload, VALID));
    rows.end();
    return rows
      .takeChunks()
      .map(({ firstLine, lastLine, recordCount }) => [firstLine, lastLine, recordCount]);
  };

  /** Break it: close no chunk for its records. */
  it('has as many records as it is to have', () => {
    expect(chunksOf(2, ['a', 'b', 'c', 'd', 'e'])).toEqual([
      [1, 2, 2],
      [3, 4, 2],
      [5, 5, 1],
    ]);
  });

  /** Break it: ignore `chunkFactor`. */
  it('has more records if the target asks for more', () => {
    expect(chunksOf(2, ['a', 'b', 'c', 'd', 'e'], { chunkFactor: 2 })).toEqual([
      [1, 4, 4],
      [5, 5, 1],
    ]);
  });

  /** Break it: close no chunk for its bytes. */
  it('has no more than eight megabytes, so that it fits into memory and into a statement', () => {
    expect(chunksOf(1000, Array<string>(20).fill(MEGABYTE))).toEqual([
      [1, 8, 8],
      [9, 16, 8],
      [17, 20, 4],
    ]);
  });

  /** Break it: do not restart the count with each chunk. */
  it('of one record may have more', () => {
    expect(chunksOf(1000, ['a', MEGABYTE.repeat(9), 'b', 'c'])).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [3, 4, 2],
    ]);
  });
});

describe('the rows of a batch', () => {
  const taken = (rows: RecordCollector) => {
    const copied = rows.takeRows(5);
    return { into: copied.into, fields: copiedRows(copied) };
  };

  it('are written without empty fields until one of them has more than its payload, and never again', () => {
    const rows = new RecordCollector(10);
    rows.add(1, '{}', VALID);
    expect(taken(rows)).toEqual({ into: PLAIN_RECORD_COPY, fields: [['5', '1', '{}']] });
    rows.add(2, '{}', VALID);
    rows.add(3, '{}', VALID, { row: 7 });
    rows.add(4, '{}', VALID, { originLine: 9 });
    const none = [null, null, null, null];
    expect(taken(rows)).toEqual({
      into: RECORD_COPY,
      fields: [
        ['5', '2', 'pending', ...none, null, null, null, '{}'],
        ['5', '3', 'pending', ...none, null, '7', null, '{}'],
        ['5', '4', 'pending', ...none, '9', null, null, '{}'],
      ],
    });
    rows.add(5, '{}', VALID);
    expect(taken(rows).into).toBe(RECORD_COPY);
  });

  /** Break it: in `storedErrors`, return the list for one error, too; or do not cut it. */
  it('keep at most ten errors of a record, in a list only if there are several', () => {
    const errors = Array.from({ length: 12 }, (_, index) => ({
      code: `c${index}`,
      message: `m\u0000${index}`,
    }));
    const [first] = errors;
    const rows = new RecordCollector(10);
    rows.add(1, '{}', { error: first!, errors, orderingKeys: [] });
    rows.add(2, '{}', { error: first!, errors: [first!], orderingKeys: [] });
    const { fields } = taken(rows);
    expect(fields[0]?.slice(2, 6)).toEqual(['invalid', 'c0', 'm\\u00000', null]);
    expect(JSON.parse(fields[0]?.[6] ?? '')).toEqual(
      errors.slice(0, 10).map(({ code }, index) => ({ code, message: `m\\u0000${index}`, pointer: null })),
    );
    expect(fields[1]?.[6]).toBeNull();
    expect(rows.errorGroups.all().map(({ code, count }) => [code, count])).toEqual([
      ['c0', 2],
      ...errors.slice(1, 10).map(({ code }) => [code, 1]),
    ]);
  });
});
