import { damagedWorkbook, noSuchSheet, unsupportedFile } from '../format.errors.js';
import type { FileBytes, TableFacts, TableRow, TableSource } from '../table.js';
import { tableCells } from './workbook-cells.js';
import { DamagedWorkbookError, NotAWorkbookError } from './workbook-limits.js';
import { listSheets, readSheet } from './workbook-thread.js';

/** One sheet of a workbook (XLSX or ODS) as a table. */
export class WorkbookTable implements TableSource {
  private constructor(
    private readonly file: FileBytes,
    private readonly place: number,
    readonly facts: TableFacts,
  ) {}

  /**
   * @param sheet name of the sheet; `null`: the first visible one
   * @throws DomainError 415 `unsupported_file`, 422 `damaged_workbook`, 400 `unknown_sheet`
   */
  static async open(file: FileBytes, { sheet }: { sheet: string | null }): Promise<WorkbookTable> {
    const { format, sheets } = await refusing(() => listSheets(file));
    const inOrder = [...sheets.filter(({ hidden }) => !hidden), ...sheets.filter(({ hidden }) => hidden)];
    const names = inOrder.map(({ name }) => name);
    const chosen = sheet === null ? inOrder[0] : inOrder.find(({ name }) => name === sheet);
    if (chosen === undefined) throw noSuchSheet(names);
    const facts: TableFacts = { format, encoding: null, delimiter: null, sheet: chosen.name, sheets: names };
    return new WorkbookTable(file, sheets.indexOf(chosen), facts);
  }

  async *rows(): AsyncGenerator<readonly TableRow[], void, undefined> {
    const blocks = readSheet(this.file, this.place);
    try {
      for (;;) {
        const next = await refusing(() => blocks.next());
        if (next.done === true) return;
        yield next.value.map((row): TableRow => ({ line: row.row, row: row.row, cells: tableCells(row) }));
      }
    } finally {
      await blocks.return();
    }
  }
}

async function refusing<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DamagedWorkbookError) throw damagedWorkbook(error.message, error.limit, error);
    if (error instanceof NotAWorkbookError) throw unsupportedFile(error.message, error.advice);
    throw error;
  }
}
