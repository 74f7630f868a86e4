import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '../../common/pagination.js';
import { DatabaseService } from '../../database/database.service.js';
import { RECORD_STATUSES, type RecordStatus } from '../record-status.js';
import { type LineRange, selectLineRanges } from './select-line-ranges.js';
import { type RecordRow, selectRecords } from './select-records.js';

export interface RecordQuery {
  /** Left out: all. */
  statuses?: readonly RecordStatus[];
  /** At most so many records; a page of long lines has fewer. */
  limit: number;
  after?: string;
}

export interface RecordPage {
  rows: RecordRow[];
  nextCursor: string | null;
}

const LIST = 'Records';
const LAST_LINE = 2 ** 31 - 1;

/** The records of a batch by line, page by page. */
@Injectable()
export class RecordPages {
  constructor(private readonly database: DatabaseService) {}

  /** @throws DomainError 400 `invalid_cursor` */
  async page(batchId: number, query: RecordQuery): Promise<RecordPage> {
    const after = query.after === undefined ? 0 : Number(decodeCursor(LIST, query.after)[0]);
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

  /** The `after` of a page that begins at this line. */
  cursorBefore(line: number): string {
    return encodeCursor(LIST, [line - 1]);
  }

  private async ranges(batchId: number, query: RecordQuery, after: number): Promise<readonly LineRange[]> {
    if (query.statuses === undefined) return [{ first: 1, last: LAST_LINE, count: query.limit, done: true }];
    return selectLineRanges(this.database, batchId, query.statuses, after, query.limit + 1);
  }
}
