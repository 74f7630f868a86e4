import type { BatchWriter } from '../../batches/batch-maker.js';
import { RecordCollector } from '../../batches/record-collector.js';
import { LineLimitError } from '../../formats/record-reader.js';
import type { TableSource } from '../../formats/table.js';
import type { ReadRecord, TableRows } from '../../formats/table-rows.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import { type CompiledTarget, MOST_ERRORS, type RowVerdict } from '../../records/target.js';
import { type IntakeLimits, TooManyRecordsError } from './body-intake.js';

/**
 * Reads the rows of a file that was received completely, checks them (pass 1) and collects them as records. The
 * survey has already read the whole file, so a file that cannot be read never begins a transaction.
 */
export class TableIntake {
  readonly rows: RecordCollector;
  private readonly turn = new EventLoopTurn();

  constructor(
    private readonly source: TableSource,
    private readonly records: TableRows,
    private readonly target: CompiledTarget,
    private readonly limits: IntakeLimits,
    chunkSize: number,
    /** Told the number of records now and then. */
    private readonly progress: (records: number) => void = () => undefined,
  ) {
    this.rows = new RecordCollector(chunkSize);
  }

  async writeAll(writer: BatchWriter): Promise<void> {
    for await (const block of this.source.rows()) {
      for (const row of block) {
        const record = this.records.read(row);
        if (record !== null) this.add(record);
        if (this.turn.isOver) await this.turn.next();
      }
      await writer.flush();
      this.progress(this.rows.totalCount);
    }
    await writer.end();
  }

  private add(record: ReadRecord): void {
    const { line, payload, originLine, shownRow, leftOut } = record;
    if (payload.length > this.limits.maxLineBytes) throw new LineLimitError(line);
    if (this.rows.totalCount === this.limits.maxRecords) throw new TooManyRecordsError();
    this.rows.add(line, payload, verdictOn(record, this.target), {
      ...(originLine !== undefined && { originLine }),
      ...(shownRow !== null && { row: shownRow }),
      leftOut,
    });
  }
}

/** The values of a row with another number of cells than the header prove nothing. */
export function verdictOn(
  { row, payload, errors, isMisshapen }: Pick<ReadRecord, 'row' | 'payload' | 'errors' | 'isMisshapen'>,
  target: CompiledTarget,
): RowVerdict {
  const [first] = errors;
  if (isMisshapen && first !== undefined) return { error: first, orderingKeys: [] };
  const checked = target.checkRow(row, payload);
  if (first === undefined) return checked;
  const places = new Set(errors.map(({ pointer }) => pointer));
  const further = checked.errors ?? (checked.error === null ? [] : [checked.error]);
  const all = [...errors, ...further.filter(({ pointer }) => pointer === undefined || !places.has(pointer))];
  return { error: first, errors: all.slice(0, MOST_ERRORS), orderingKeys: [] };
}
