import { Worker } from 'node:worker_threads';
import { errorMessage } from '../../platform/errors.js';
import { damagedWorkbook, noSuchSheet, unsupportedFile } from '../format.errors.js';
import type { FileBytes, TableFacts, TableRow, TableSource } from '../record-reader.js';
import { DamagedWorkbookError, NotAWorkbookError } from './workbook-archive.js';
import {
  type OpenWorkbook,
  type SheetInfo,
  type SheetRow,
  tableCells,
  unpackedRows,
} from './workbook-cells.js';

/** The most bytes of packed rows that are kept, so that memory stays bounded: about 600,000 rows of twelve cells. */
const MOST_KEPT = 32 * 1024 ** 2;

/**
 * One sheet of a workbook (XLSX or ODS) as a table. A file is read twice, first to survey its columns. Parsing XML takes
 * most of the time, so the rows are kept, packed, from the first to the second time.
 */
export class WorkbookTable implements TableSource {
  /** All rows, as the thread packed them; `null` before they were read to the end, and if they are too large. */
  private kept: readonly Uint8Array[] | null = null;

  private constructor(
    private readonly file: FileBytes,
    private readonly place: number,
    readonly facts: TableFacts,
    private readonly mostKept: number,
  ) {}

  /**
   * @param sheet name of the sheet; `null`: the first visible one
   * @param mostKept packed bytes; a sheet with more is parsed each time
   * @throws DomainError 415 `unsupported_file`, 422 `damaged_workbook`, 400 `unknown_sheet`
   */
  static async open(
    file: FileBytes,
    { sheet, mostKept = MOST_KEPT }: { sheet: string | null; mostKept?: number },
  ): Promise<WorkbookTable> {
    const { format, sheets } = await refusing(() => listSheets(file));
    const inOrder = [...sheets.filter(({ hidden }) => !hidden), ...sheets.filter(({ hidden }) => hidden)];
    const names = inOrder.map(({ name }) => name);
    const chosen = sheet === null ? inOrder[0] : inOrder.find(({ name }) => name === sheet);
    if (chosen === undefined) throw noSuchSheet(names);
    const facts: TableFacts = { format, encoding: null, delimiter: null, sheet: chosen.name, sheets: names };
    return new WorkbookTable(file, sheets.indexOf(chosen), facts, mostKept);
  }

  async *rows(): AsyncGenerator<readonly TableRow[], void, undefined> {
    if (this.kept !== null) {
      for (const packed of this.kept) yield unpackedRows(packed).map(tableRow);
      return;
    }
    const packed: Uint8Array[] = [];
    let bytes = 0;
    const blocks = readSheet(this.file, this.place);
    try {
      for (;;) {
        const next = await refusing(() => blocks.next());
        if (next.done === true) break;
        bytes += next.value.packed.length;
        if (bytes <= this.mostKept) packed.push(next.value.packed);
        else packed.length = 0;
        yield next.value.rows.map(tableRow);
      }
    } finally {
      await blocks.return();
    }
    if (bytes <= this.mostKept) this.kept = packed;
  }
}

function tableRow(row: SheetRow): TableRow {
  return { line: row.row, row: row.row, cells: tableCells(row) };
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

/** Rows, also packed by `packedRows`. */
interface SheetRows {
  rows: SheetRow[];
  packed: Uint8Array<ArrayBuffer>;
}

/** What the thread is to read: the rows of the sheet at `place`, or only the list of sheets. */
export interface WorkbookOrder {
  size: number;
  place: number | null;
}

export type WorkbookMessage =
  | { kind: 'range'; start: number; end: number }
  | { kind: 'opened'; format: OpenWorkbook['format']; sheets: SheetInfo[] }
  | ({ kind: 'rows' } & SheetRows)
  | { kind: 'ended' }
  | { kind: 'damaged'; message: string; limit: number | undefined }
  | { kind: 'no workbook'; message: string; advice: string };

/** More rows are wanted, or the bytes that were asked for. */
export type WorkbookAnswer = 'more' | Uint8Array;

/** Together with the shared strings, which are outside the heap, the thread stays below 300 MB. */
const HEAP_MB = 256;
const YOUNG_MB = 16;
/** Time to wait for the thread, in all; the time in which nobody asks for rows does not count. */
const DEADLINE_MS = 300_000;
const IS_SOURCE = import.meta.url.endsWith('.ts');

/**
 * Lists the sheets of a workbook. Workbooks are read in a thread with a heap and a deadline of its own: this process
 * keeps answering, and a workbook that was made to exhaust it ends the thread only.
 * @throws DamagedWorkbookError, NotAWorkbookError
 */
async function listSheets(file: FileBytes): Promise<Pick<OpenWorkbook, 'format'> & { sheets: SheetInfo[] }> {
  const thread = new WorkbookThread(file, null);
  try {
    const message = await thread.next();
    if (message.kind !== 'opened') throw failureOf(message);
    return message;
  } finally {
    await thread.stop();
  }
}

/** Reads one sheet. The thread ends with the generator. @throws DamagedWorkbookError, NotAWorkbookError */
async function* readSheet(file: FileBytes, place: number): AsyncGenerator<SheetRows, void, undefined> {
  const thread = new WorkbookThread(file, place);
  try {
    thread.askForMore();
    for (;;) {
      const message = await thread.next();
      if (message.kind === 'ended') return;
      if (message.kind !== 'rows') throw failureOf(message);
      // The thread prepares the next rows while these are consumed.
      thread.askForMore();
      if (message.rows.length > 0) yield message;
    }
  } finally {
    await thread.stop();
  }
}

function failureOf(message: WorkbookMessage): Error {
  if (message.kind === 'damaged') return new DamagedWorkbookError(message.message, message.limit);
  if (message.kind === 'no workbook') return new NotAWorkbookError(message.message, message.advice);
  return new Error(`the thread that reads a workbook answered ${message.kind} out of turn`);
}

class WorkbookThread {
  private readonly worker: Worker;
  private readonly messages: WorkbookMessage[] = [];
  private failure: Error | null = null;
  private remainingMs = DEADLINE_MS;
  private wake: () => void = () => undefined;

  constructor(
    private readonly file: FileBytes,
    place: number | null,
  ) {
    const order: WorkbookOrder = { size: file.size, place };
    this.worker = new Worker(new URL(`./workbook-worker.${IS_SOURCE ? 'ts' : 'js'}`, import.meta.url), {
      workerData: order,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
      // Tests and development run the source.
      execArgv: IS_SOURCE ? ['--import', '@swc-node/register/esm-register'] : [],
    });
    this.worker.on('message', (message: WorkbookMessage) => {
      this.messages.push(message);
      this.wake();
    });
    this.worker.on('error', (error: Error) => this.fail(exhausted(error)));
    this.worker.on('exit', () =>
      this.fail(new Error('the thread that reads a workbook ended without an answer')),
    );
  }

  askForMore(): void {
    this.worker.postMessage('more' satisfies WorkbookAnswer);
  }

  /** The next message that is not a question for bytes; those are answered here, while somebody waits. */
  async next(): Promise<Exclude<WorkbookMessage, { kind: 'range' }>> {
    for (;;) {
      const message = this.messages.shift();
      if (message?.kind === 'range') this.give(await this.file.range(message.start, message.end));
      else if (message !== undefined) return message;
      else if (this.failure !== null) throw this.failure;
      else await this.arrival();
    }
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }

  /** Bytes pass from thread to thread with all of the buffer in which they are, so they get one of their own. */
  private give(range: Buffer): void {
    const bytes = Uint8Array.from(range);
    this.worker.postMessage(bytes satisfies WorkbookAnswer, [bytes.buffer]);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }

  /** Waits for a message, the end of the thread, or the end of the time. */
  private async arrival(): Promise<void> {
    if (this.remainingMs <= 0) {
      throw new DamagedWorkbookError(`takes longer than ${DEADLINE_MS / 1000} seconds to read`);
    }
    const begun = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.wake(), this.remainingMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.remainingMs -= performance.now() - begun;
  }
}

function exhausted(error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') {
    return new Error(`the thread that reads a workbook failed: ${errorMessage(error)}`, { cause: error });
  }
  return new DamagedWorkbookError(`needs more than ${HEAP_MB} MB of memory to read`, HEAP_MB, {
    cause: error,
  });
}
