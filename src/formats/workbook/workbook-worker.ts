import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { FileBytes } from '../table.js';
import { openWorkbook } from './open-workbook.js';
import type { SheetRow } from './workbook-cells.js';
import { DamagedWorkbookError, NotAWorkbookError } from './workbook-limits.js';
import type { WorkbookAnswer, WorkbookMessage, WorkbookOrder } from './workbook-thread.js';

/** Rows per message: enough to share the cost of a message, few enough to keep memory small. */
const ROWS = 400;

/** The other side: it holds the bytes of the file and takes the rows. */
class OtherSide implements Pick<FileBytes, 'size' | 'range'> {
  private readonly ranges: ((bytes: Buffer) => void)[] = [];
  private demand = 0;
  private wake: () => void = () => undefined;

  constructor(
    private readonly port: MessagePort,
    readonly size: number,
  ) {
    port.on('message', (answer: WorkbookAnswer) => {
      if (answer !== 'more')
        return this.ranges.shift()?.(Buffer.from(answer.buffer, answer.byteOffset, answer.length));
      this.demand += 1;
      this.wake();
    });
  }

  send(message: WorkbookMessage): void {
    this.port.postMessage(message);
  }

  /** Answers come in the order of the questions. */
  range(start: number, end: number): Promise<Buffer> {
    return new Promise((resolve) => {
      this.ranges.push(resolve);
      this.send({ kind: 'range', start, end });
    });
  }

  /** Waits until the other side wants more rows, so that no more is read than it takes. */
  async demanded(): Promise<void> {
    while (this.demand === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    this.demand -= 1;
  }
}

/** Runs in a thread of its own: lists the sheets, or reads one and sends its rows whenever more are asked for. */
async function serve(other: OtherSide, place: number | null): Promise<void> {
  try {
    const workbook = await openWorkbook(other, new AbortController().signal);
    if (place === null) {
      return other.send({ kind: 'opened', format: workbook.format, sheets: await workbook.sheets() });
    }
    let rows: SheetRow[] = [];
    for await (const found of workbook.rows(place)) {
      rows = rows.length === 0 ? found : rows.concat(found);
      if (rows.length < ROWS) continue;
      await other.demanded();
      other.send({ kind: 'rows', rows });
      rows = [];
    }
    await other.demanded();
    other.send({ kind: 'rows', rows });
    other.send({ kind: 'ended' });
  } catch (error) {
    if (error instanceof DamagedWorkbookError) {
      other.send({ kind: 'damaged', message: error.message, limit: error.limit });
    } else if (error instanceof NotAWorkbookError) {
      other.send({ kind: 'no workbook', message: error.message, advice: error.advice });
    } else throw error;
  }
}

if (parentPort !== null) {
  const port = parentPort;
  const { size, place } = workerData as WorkbookOrder;
  void serve(new OtherSide(port, size), place).finally(() => port.close());
}
