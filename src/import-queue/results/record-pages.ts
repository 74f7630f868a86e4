import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '../../common/pagination.js';
import { DatabaseService } from '../../database/database.service.js';
import { RECORD_STATUSES, type RecordStatus } from '../record-status.js';
import { statusesOf } from './result-set.js';
import { errorPattern } from './select-error-groups.js';
import { type LineRange, selectLineRanges } from './select-line-ranges.js';
import { type RecordRow, selectRecords } from './select-records.js';

export interface RecordQuery {
  /** Left out: all. */
  statuses?: readonly RecordStatus[];
  /** At most so many records; a page of long lines has fewer. */
  limit: number;
  after?: string;
}

export interface ErrorGroupQuery {
  code: string;
  pattern: string;
  limit: number;
  after?: string;
}

export interface RecordPage {
  rows: RecordRow[];
  nextCursor: string | null;
}

const LIST = 'Records';
const LAST_LINE = 2 ** 31 - 1;
/** Refused records that are looked at for one page of one cause: so many at a time, so many times. */
const STEP = 500;
const MOST_STEPS = 20;

/** The records of a batch by line, page by page. */
@Injectable()
export class RecordPages {
  constructor(private readonly database: DatabaseService) {}

  /** @throws DomainError 400 `invalid_cursor` */
  async page(batchId: number, query: RecordQuery): Promise<RecordPage> {
    const after = lineBefore(query.after);
    const { rows, more } = await selectRecords(this.database, {
      batchId,
      ranges: await this.ranges(batchId, query, after),
      statuses: query.statuses ?? RECORD_STATUSES,
      after,
      limit: query.limit,
    });
    const last = rows.at(-1);
    return { rows, nextCursor: more && last !== undefined ? encodeCursor(LIST, [last.line]) : null };
  }

  /**
   * Refused records of one cause, as `selectErrorGroups` names it. Looks at a bounded number of refused records for one
   * page: it may have fewer records than asked for, even none, and yet a next one.
   * @throws DomainError 400 `invalid_cursor`
   */
  async ofErrorGroup(batchId: number, query: ErrorGroupQuery): Promise<RecordPage> {
    let after = lineBefore(query.after);
    const statuses = statusesOf('failed');
    const rows: RecordRow[] = [];
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const ranges = await selectLineRanges(this.database, batchId, statuses, after, STEP + 1);
      const page = await selectRecords(this.database, { batchId, ranges, statuses, after, limit: STEP });
      for (const row of page.rows) {
        after = row.line;
        if (!isOfGroup(row, query)) continue;
        rows.push(row);
        if (rows.length === query.limit) return { rows, nextCursor: encodeCursor(LIST, [after]) };
      }
      if (!page.more) return { rows, nextCursor: null };
    }
    return { rows, nextCursor: encodeCursor(LIST, [after]) };
  }

  /** One record; `undefined` when the batch has no such line. */
  async one(batchId: number, line: number): Promise<RecordRow | undefined> {
    const { rows } = await selectRecords(this.database, {
      batchId,
      ranges: [{ first: line, last: line, count: 1, done: true }],
      statuses: RECORD_STATUSES,
      after: line - 1,
      limit: 1,
    });
    return rows[0];
  }

  /** The `after` of a page that begins at this line. */
  cursorBefore(line: number): string {
    return encodeCursor(LIST, [line - 1]);
  }

  private async ranges(batchId: number, query: RecordQuery, after: number): Promise<readonly LineRange[]> {
    if (query.statuses === undefined) return [{ first: 1, last: LAST_LINE, count: query.limit, done: true }];
    return selectLineRanges(this.database, batchId, query.statuses, after, query.limit + 1);
  }
}

/** There is always a line after it. */
function lineBefore(cursor: string | undefined): number {
  return cursor === undefined ? 0 : decodeCursor(LIST, cursor, LAST_LINE - 1)[0];
}

function isOfGroup(row: RecordRow, { code, pattern }: Pick<ErrorGroupQuery, 'code' | 'pattern'>): boolean {
  return row.errorCode === code && errorPattern(row.errorMessage ?? '') === pattern;
}
