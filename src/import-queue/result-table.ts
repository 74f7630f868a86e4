import type { BatchReader } from '../batches/batch-reader.js';
import type { SourceFile } from '../batches/batches.sql.js';
import type { RecordSet } from '../batches/record-pages.js';
import type { RecordRow } from '../batches/record-pages.sql.js';
import { collectColumns, columnsAddedByDownloads, RESULT_COLUMNS } from '../formats/csv/csv-columns.js';
import { tooLargeForWorkbook } from '../formats/format.errors.js';
import { jsonMembers, memberText } from '../formats/json/json-members.js';
import type { TextEncoding } from '../formats/text-encoding.js';
import { WORKBOOK_LIMITS } from '../formats/workbook/workbook-archive.js';
import type { MarkedCell } from '../formats/workbook/workbook-writer.js';

interface ResultColumn {
  header: string;
  /** The member of the record; `null` for a column that was not imported. */
  member: string | null;
}

/** The limits of the file that the table will be written to. */
export interface TableForm {
  /** `null`: any character can be written. */
  encoding: TextEncoding | null;
  isWorkbook: boolean;
}

/** The records of a batch as a table: the columns that were sent, in their order, then our columns. */
export class ResultTable {
  private constructor(
    private readonly batchId: number,
    private readonly source: SourceFile | null,
    private readonly columns: readonly ResultColumn[],
    private readonly reader: BatchReader,
    /** Whether a value has characters that the encoding lacks. */
    readonly losesCharacters: boolean,
  ) {}

  /**
   * Reads all records once, before anything is written: records of JSON Lines may have any keys, and a file is refused,
   * or written in another encoding, as a whole.
   * @throws DomainError 400 `too_many_columns`, `too_large_for_workbook`
   */
  static async of(
    batchId: number,
    records: RecordSet,
    reader: BatchReader,
    { encoding, isWorkbook }: TableForm,
  ): Promise<ResultTable> {
    const source = await reader.sourceFile(batchId);
    const sent = source?.understood.columns ?? [];
    const added = columnsAddedByDownloads(sent);
    const columns = sent
      .filter(({ header }) => !added.has(header))
      .map(({ header, target }): ResultColumn => ({ header, member: target }));
    let losesCharacters = false;
    let count = 0;
    async function* examined(): AsyncGenerator<RecordRow[], void, undefined> {
      for await (const rows of records.pagesToCome()) {
        count += rows.length;
        for (const { payload } of rows) {
          losesCharacters ||= encoding !== null && !canWriteJson(encoding, payload);
          if (isWorkbook && payload.length > WORKBOOK_LIMITS.textLength) refuseLongTexts(payload);
        }
        yield rows;
      }
    }
    const known = new Set(columns.flatMap(({ member }) => member ?? []));
    const further = (await collectColumns([...known], examined())).filter((member) => !known.has(member));
    const all = [...columns, ...further.map((member): ResultColumn => ({ header: member, member }))];
    losesCharacters ||= all.some(({ header }) => encoding?.canWrite(header) === false);
    if (isWorkbook && count >= WORKBOOK_LIMITS.rows)
      throw tooLargeForWorkbook('rows', WORKBOOK_LIMITS.rows - 1);
    if (isWorkbook && all.length + RESULT_COLUMNS.length > WORKBOOK_LIMITS.columns) {
      throw tooLargeForWorkbook('columns', WORKBOOK_LIMITS.columns);
    }
    return new ResultTable(batchId, source, all, reader, losesCharacters);
  }

  get headers(): string[] {
    return [...this.columns.map(({ header }) => header), ...RESULT_COLUMNS];
  }

  /** The member of the record that each column shows; `null` for other columns. */
  get members(): (string | null)[] {
    return [...this.columns.map(({ member }) => member), ...RESULT_COLUMNS.map(() => null)];
  }

  /** The records of some rows as cells; `null` where a record lacks the column. */
  async cells(rows: readonly RecordRow[]): Promise<(string | null)[][]> {
    const leftOut = await this.leftOut(rows);
    return rows.map((row) => {
      const members = jsonMembers(row.payload);
      const others = leftOut.get(row.line) ?? [];
      let place = -1;
      const cells = this.columns.map(({ member }) => {
        if (member !== null) return memberText(members.get(member));
        place += 1;
        return others[place] ?? null;
      });
      return [...cells, String(row.line), row.status, errorText(row), String(this.batchId)];
    });
  }

  private async leftOut(rows: readonly RecordRow[]): Promise<ReadonlyMap<number, readonly string[]>> {
    const [first] = rows;
    const last = rows.at(-1);
    const { source } = this;
    if (source === null || first === undefined || last === undefined) return new Map();
    if (this.columns.every(({ member }) => member !== null)) return new Map();
    return this.reader.leftOut(source.batchId, first.line, last.line);
  }

  /** The cells that are wrong, or the cell that says why, if no single one is. */
  marked(row: RecordRow): MarkedCell[] {
    const marked = errorsOf(row).map(({ message, pointer }): MarkedCell => {
      const member = pointer === null ? undefined : firstStep(pointer);
      const place = this.columns.findIndex((column) => column.member === member);
      return { column: place === -1 ? this.columns.length + ERROR_PLACE : place, note: message };
    });
    return marked.filter(({ column }, index) => marked.findIndex((each) => each.column === column) === index);
  }
}

const ERROR_PLACE = RESULT_COLUMNS.indexOf('_error');

interface ShownError {
  code: string;
  message: string;
  pointer: string | null;
}

function errorsOf({ errors, errorCode, errorMessage, errorPointer }: RecordRow): ShownError[] {
  if (errors !== null) return errors.map((each) => ({ ...each, pointer: each.pointer ?? null }));
  if (errorCode === null) return [];
  return [{ code: errorCode, message: errorMessage ?? '', pointer: errorPointer }];
}

/** All errors as one text: for each the code, the place in the record, and the message. */
function errorText(row: RecordRow): string | null {
  const texts = errorsOf(row).map(({ code, message, pointer }) => {
    const place = pointer === null || pointer === '' ? '' : ` at ${pointer}`;
    return `${code}${place}: ${message}`;
  });
  return texts.length === 0 ? null : texts.join('; ');
}

/** The member that a JSON pointer begins with. */
function firstStep(pointer: string): string | undefined {
  return pointer.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~');
}

function canWriteJson(encoding: TextEncoding, payload: string): boolean {
  // Without an escape, the text of the payload stands for its values.
  if (!payload.includes('\\u')) return encoding.canWrite(payload);
  return [...jsonMembers(payload)].every(
    ([name, value]) => encoding.canWrite(name) && encoding.canWrite(memberText(value) ?? ''),
  );
}

function refuseLongTexts(payload: string): void {
  for (const [, value] of jsonMembers(payload)) {
    if ((memberText(value)?.length ?? 0) > WORKBOOK_LIMITS.textLength) {
      throw tooLargeForWorkbook('characters in one cell', WORKBOOK_LIMITS.textLength);
    }
  }
}
