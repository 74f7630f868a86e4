import { Injectable } from '@nestjs/common';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { decodeCursor, encodeCursor } from '../platform/http/pagination.js';
import { RECORD_STATUSES, type RecordStatus, type ResultSet, statusesOf } from '../records/record-status.js';
import {
  findRecords,
  type LineRange,
  rangesOf,
  type RecordRow,
  selectLineRanges,
  selectRecords,
  selectRecordsAt,
  selectRowNumbers,
} from './record-pages.sql.js';
import { type Neighbours, selectNeighbours } from './records.sql.js';
import {
  type ErrorCause,
  errorPattern,
  type ErrorGroups,
  type Lines,
  selectErrorCauses,
  selectErrorGroups,
  selectRefusedLines,
} from './refused-records.sql.js';

export type { RecordRow } from './record-pages.sql.js';
export type { Neighbours } from './records.sql.js';
export type { ErrorCause, ErrorGroups } from './refused-records.sql.js';

export interface RecordQuery {
  /** All statuses if absent. */
  statuses?: readonly RecordStatus[];
  /** Only records with an error of this code. */
  errorCode?: string;
  /** Only this line. */
  line?: number;
  /** Only this line and those after it. */
  fromLine?: number;
  /** The most records of a page; a page of long lines has fewer. */
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
/** The highest line number that a record can have. */
export const LAST_LINE = 2 ** 31 - 1;
/** How many refused records one step examines for a page of one cause. The number of steps is limited, too. */
const STEP = 500;
const MOST_STEPS = 20;

/** The records of a batch by line, page by page. */
@Injectable()
export class RecordPages {
  constructor(private readonly database: DatabaseService) {}

  /**
   * The records that match every condition, by line. A page may have fewer records than requested, and still have a next
   * page, if they are long.
   * @throws DomainError 400 `invalid_cursor`
   */
  async page(batchId: number, query: RecordQuery): Promise<RecordPage> {
    const { errorCode, limit, line } = query;
    const statuses = statusesFor(query);
    const after = Math.max(lineBefore(query.after), (query.fromLine ?? 1) - 1);
    if (statuses.length === 0) return { rows: [], nextCursor: null };
    if (line !== undefined) {
      const ranges = [{ first: line, last: line }];
      const selection = { batchId, ranges, statuses, errorCode, after, limit };
      const { rows } = await selectRecords(this.database, selection);
      return { rows, nextCursor: null };
    }
    const { rows, next } = await findRecords(this.database, batchId, { statuses, errorCode, after, limit });
    return { rows, nextCursor: next === null ? null : encodeCursor(LIST, [next]) };
  }

  /**
   * Refused records of one cause, as `selectErrorGroups` defines it. Examines a bounded number of refused records per
   * page, so a page may have fewer records than requested, even none, and still have a next page.
   * @throws DomainError 400 `invalid_cursor`
   */
  async ofErrorGroup(batchId: number, query: ErrorGroupQuery): Promise<RecordPage> {
    let after = lineBefore(query.after);
    const statuses = statusesOf('failed');
    const rows: RecordRow[] = [];
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const found = await findRecords(this.database, batchId, { statuses, after, limit: STEP });
      for (const row of found.rows) {
        if (!isOfGroup(row, query)) continue;
        rows.push(row);
        if (rows.length === query.limit) return { rows, nextCursor: encodeCursor(LIST, [row.line]) };
      }
      if (found.next === null) return { rows, nextCursor: null };
      after = found.next;
    }
    return { rows, nextCursor: encodeCursor(LIST, [after]) };
  }

  /** One record; `undefined` if the batch has no such line. */
  async one(batchId: number, line: number): Promise<RecordRow | undefined> {
    const { rows } = await selectRecords(this.database, {
      batchId,
      ranges: [{ first: line, last: line }],
      statuses: RECORD_STATUSES,
      after: line - 1,
      limit: 1,
    });
    return rows[0];
  }

  /** The records of these lines, in line order. */
  at(batchId: number, lines: readonly number[]): Promise<RecordRow[]> {
    return selectRecordsAt(this.database, batchId, lines, RECORD_STATUSES);
  }

  /** The row that a spreadsheet shows for each of these lines. */
  async rowNumbers(batchId: number, lines: readonly number[]): Promise<Map<number, number>> {
    const shown = await selectRowNumbers(this.database, batchId, lines);
    return new Map(lines.map((line) => [line, shown.get(line) ?? line]));
  }

  /** Why records of the batch were refused, most frequent cause first; only the first few thousand are examined. */
  errorGroups(batchId: number): Promise<ErrorGroups> {
    return selectErrorGroups(this.database, batchId);
  }

  /** All causes for which records of the batch were refused, most frequent first. */
  errorCauses(batchId: number): Promise<ErrorCause[]> {
    return selectErrorCauses(this.database, batchId);
  }

  /** The lines of the records before and after this one. */
  neighbours(batchId: number, line: number): Promise<Neighbours> {
    return selectNeighbours(this.database, batchId, line);
  }

  /** The `after` of a page that begins at this line. */
  cursorBefore(line: number): string {
    return encodeCursor(LIST, [line - 1]);
  }
}

/** Only refused records have an error, and those that an undo kept, which are skipped. */
const WITH_ERROR: readonly RecordStatus[] = [...statusesOf('failed'), 'skipped'];

function statusesFor({ statuses = RECORD_STATUSES, errorCode }: RecordQuery): readonly RecordStatus[] {
  return errorCode === undefined ? statuses : statuses.filter((status) => WITH_ERROR.includes(status));
}

/** There is always a line after it. */
function lineBefore(cursor: string | undefined): number {
  return cursor === undefined ? 0 : decodeCursor(LIST, cursor, LAST_LINE - 1)[0];
}

function isOfGroup(row: RecordRow, { code, pattern }: Pick<ErrorGroupQuery, 'code' | 'pattern'>): boolean {
  return row.errorCode === code && errorPattern(row.errorMessage ?? '') === pattern;
}

/** Records per statement: enough to share the cost of the statement, few enough to keep a page small. */
const PAGE_RECORDS = 1000;
/** One in more records than this is sparse: looking for lines one by one is then faster than reading all. */
const SPARSE = 20;
/** Ranges per statement: the limit that applies if each range has only a few matching records. */
const PAGE_RANGES = 100;

/**
 * The records of one download, from the chunks that had matching records when it began. Each page is a separate, short
 * statement, so a client that reads slowly holds neither a connection nor an old snapshot, unlike with a cursor.
 * Memory: one page (4 MiB or one line), and a few numbers per chunk of the batch.
 */
export class RecordSet {
  private constructor(
    private readonly sql: Sql,
    private readonly batchId: number,
    private readonly set: ResultSet,
    private readonly ranges: readonly LineRange[],
    private readonly signal: AbortSignal,
  ) {}

  /** @param signal aborts the download: `pages` reads no further page and throws the reason of the signal */
  static async of(sql: Sql, batchId: number, set: ResultSet, signal: AbortSignal): Promise<RecordSet> {
    return new RecordSet(sql, batchId, set, await selectLineRanges(sql, batchId, statusesOf(set)), signal);
  }

  /** Pages in line order. A record of an open chunk is included if it is in the set when its page is read. */
  pages(): AsyncGenerator<RecordRow[], void, undefined> {
    return this.read(() => statusesOf(this.set));
  }

  /**
   * The same, plus all other records of the chunks that were open when the download began. Records may enter the set
   * during the download, but `pages` then yields no record that this method has not already yielded.
   */
  pagesToCome(): AsyncGenerator<RecordRow[], void, undefined> {
    return this.read((done) => (done ? statusesOf(this.set) : RECORD_STATUSES));
  }

  /** Only the lines of the set, where few records of done chunks were refused: the others need not be read. */
  private async narrowed(ranges: readonly LineRange[]): Promise<readonly Lines[]> {
    if (this.set !== 'failed' || ranges[0]?.done !== true || !isSparse(ranges)) return ranges;
    const wanted = ranges.reduce((sum, { count }) => sum + count, 0);
    const search = { statuses: statusesOf(this.set), after: 0, limit: wanted + 1 };
    const lines = await selectRefusedLines(this.sql, this.batchId, ranges, search);
    return lines.length === wanted ? rangesOf(lines) : ranges;
  }

  private async *read(
    statusesIn: (done: boolean) => readonly RecordStatus[],
  ): AsyncGenerator<RecordRow[], void, undefined> {
    for (const group of grouped(this.ranges, PAGE_RECORDS)) {
      const statuses = statusesIn(group[0]?.done === true);
      const ranges = await this.narrowed(group);
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
}

function isSparse(ranges: readonly LineRange[]): boolean {
  const [records, lines] = ranges.reduce(
    ([count, all], range) => [count + range.count, all + range.last - range.first + 1],
    [0, 0],
  );
  return records * SPARSE < lines;
}

/** Groups of consecutive ranges with the same `done`, each with about this many records. */
function* grouped(ranges: readonly LineRange[], records: number): Generator<LineRange[], void, undefined> {
  let group: LineRange[] = [];
  let count = 0;
  for (const range of ranges) {
    const full = count >= records || group.length >= PAGE_RANGES;
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
