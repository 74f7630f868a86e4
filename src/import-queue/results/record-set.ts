import type { Sql } from '../../database/transaction.js';
import { RECORD_STATUSES, type RecordStatus } from '../record-status.js';
import { type ResultSet, statusesOf } from './result-set.js';
import { type LineRange, selectLineRanges } from './select-line-ranges.js';
import { type RecordRow, selectRecords } from './select-records.js';

/** Records of one statement: enough that its cost is shared, few enough that a page is small. */
const PAGE_RECORDS = 1000;
/** Chunks one statement looks into when each has only a few such records. */
const PAGE_RANGES = 100;

/**
 * The records of one download, from the chunks that had such records when it began. Read in pages, each a short
 * statement of its own: a client that reads slowly holds neither a connection nor an old snapshot, which a cursor
 * would. Memory: one page (4 MiB or one line), and a few numbers per chunk of the batch.
 */
export class RecordSet {
  private constructor(
    private readonly sql: Sql,
    private readonly batchId: number,
    private readonly set: ResultSet,
    private readonly ranges: readonly LineRange[],
    private readonly signal: AbortSignal,
  ) {}

  /** @param signal when it is aborted, no further page is read: `pages` throws its reason */
  static async of(sql: Sql, batchId: number, set: ResultSet, signal: AbortSignal): Promise<RecordSet> {
    return new RecordSet(sql, batchId, set, await selectLineRanges(sql, batchId, statusesOf(set)), signal);
  }

  /** Pages in line order. A record of an open chunk belongs to the set if it does when its page is read. */
  pages(): AsyncGenerator<RecordRow[], void, undefined> {
    return this.read(() => statusesOf(this.set));
  }

  /**
   * The same, and all other records of the chunks that were still open when the download began: whatever record
   * enters the set while the download runs, `pages` shows none that this has not shown before.
   */
  pagesToCome(): AsyncGenerator<RecordRow[], void, undefined> {
    return this.read((done) => (done ? statusesOf(this.set) : RECORD_STATUSES));
  }

  private async *read(
    statusesIn: (done: boolean) => readonly RecordStatus[],
  ): AsyncGenerator<RecordRow[], void, undefined> {
    for (const ranges of this.groups()) {
      const statuses = statusesIn(ranges[0]?.done === true);
      let after = 0;
      for (let more = statuses.length > 0; more;) {
        this.signal.throwIfAborted();
        const page = await selectRecords(this.sql, {
          batchId: this.batchId,
          ranges,
          statuses,
          after,
          limit: PAGE_RECORDS,
        });
        if (page.rows.length > 0) yield page.rows;
        after = page.rows.at(-1)?.line ?? after;
        more = page.more;
      }
    }
  }

  /** Consecutive ranges that are alike and have about a page of records together. */
  private *groups(): Generator<LineRange[], void, undefined> {
    let group: LineRange[] = [];
    let count = 0;
    for (const range of this.ranges) {
      const full = count >= PAGE_RECORDS || group.length >= PAGE_RANGES;
      if (full || (group[0] !== undefined && group[0].done !== range.done)) {
        yield group;
        group = [];
        count = 0;
      }
      group.push(range);
      count += range.count;
    }
    if (group.length > 0) yield group;
  }
}
