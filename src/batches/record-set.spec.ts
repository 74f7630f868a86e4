import type { Rows, Sql } from '../platform/database/database.service.js';
import { RECORD_STATUSES } from '../records/record-status.js';
import { RecordSet } from './record-pages.js';
import type { LineRange } from './record-pages.sql.js';

/** A database with the given chunks, in which each line is a record. Logs the lines that each statement reads. */
class Chunks implements Sql {
  readonly statements: { firstLines: number[]; statuses: string[] }[] = [];

  constructor(private readonly ranges: LineRange[]) {}

  query<Row extends object>(_: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    const rows = values.length === 3 ? this.ranges : this.records(values);
    return Promise.resolve({ rows: rows as Row[], rowCount: rows.length });
  }

  private records([, first, last, after, statuses, limit]: readonly unknown[]): object[] {
    this.statements.push({ firstLines: first as number[], statuses: statuses as string[] });
    const lines = (first as number[]).flatMap((from, index) =>
      Array.from({ length: (last as number[])[index]! - from + 1 }, (_, offset) => from + offset),
    );
    const left = lines.filter((line) => line > (after as number));
    return left.slice(0, limit as number).map((line) => ({ line, found: left.length }));
  }
}

const chunk = (number: number, size: number, done = true): LineRange => ({
  first: (number - 1) * size + 1,
  last: number * size,
  count: size,
  done,
});

async function linesOf(set: RecordSet, pages = set.pages()): Promise<number[]> {
  const lines: number[] = [];
  for await (const page of pages) lines.push(...page.map(({ line }) => line));
  return lines;
}

describe('the records of a download', () => {
  const forever = new AbortController().signal;

  it('come in line order, the same in a second reading', async () => {
    const sql = new Chunks([chunk(1, 2500), chunk(2, 2500)]);
    const set = await RecordSet.of(sql, 1, 'all', forever);
    const lines = Array.from({ length: 5000 }, (_, index) => index + 1);
    expect(await linesOf(set)).toEqual(lines);
    expect(await linesOf(set)).toEqual(lines);
  });

  it('are read from many small chunks at once', async () => {
    const sql = new Chunks(Array.from({ length: 250 }, (_, index) => chunk(index + 1, 1)));
    await linesOf(await RecordSet.of(sql, 1, 'all', forever));
    expect(sql.statements.map(({ firstLines }) => firstLines.length)).toEqual([100, 100, 50]);
  });

  it('may come from all records of an open chunk, and of a done one only from those that have their outcome', async () => {
    const sql = new Chunks([chunk(1, 10), chunk(2, 10, false), chunk(3, 10)]);
    const set = await RecordSet.of(sql, 1, 'failed', forever);
    await linesOf(set, set.pagesToCome());
    expect(sql.statements.map(({ firstLines }) => firstLines)).toEqual([[1], [11], [21]]);
    expect(sql.statements.map(({ statuses }) => statuses.length)).toEqual([3, RECORD_STATUSES.length, 3]);
  });

  it('are read no further once the client has gone away', async () => {
    const sql = new Chunks([chunk(1, 5000)]);
    const left = new AbortController();
    const pages = (await RecordSet.of(sql, 1, 'all', left.signal)).pages();
    await pages.next();
    left.abort();
    await expect(pages.next()).rejects.toMatchObject({ name: 'AbortError' });
    expect(sql.statements).toHaveLength(1);
  });
});
