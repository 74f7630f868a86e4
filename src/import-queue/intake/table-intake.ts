import type { BatchWriter } from '../../batches/batch-writer.js';
import { RecordCollector } from '../../batches/record-collector.js';
import { jsonMembers } from '../../formats/json/json-members.js';
import { LineLimitError, type TableRow, type TableSource } from '../../formats/record-reader.js';
import type { ReadRecord, TableRows } from '../../formats/table-rows.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import { type CompiledTarget, MOST_ERRORS, type RowVerdict } from '../../records/target.js';
import { type IntakeLimits, TooManyRecordsError } from './body-intake.js';

/** Rows whose records are looked up at a time. */
const LOOKED_UP = 500;
/** A download comes from one batch; a file that someone put together, from a few. */
const MOST_BATCHES = 20;

/** The records of one batch, by line, as they were sent: only those that the sender of a download may have from it. */
export type SentRecords = (batchId: number, lines: readonly number[]) => Promise<ReadonlyMap<number, string>>;

/**
 * Reads the rows of a file that was received completely, checks them (pass 1) and collects them as records. The
 * survey has already read the whole file, so a file that cannot be read never begins a transaction.
 */
export class TableIntake {
  readonly rows: RecordCollector;
  private readonly turn = new EventLoopTurn();
  private readonly batches = new Set<number>();

  constructor(
    private readonly source: TableSource,
    private readonly records: TableRows,
    private readonly target: CompiledTarget,
    private readonly limits: IntakeLimits,
    chunkSize: number,
    /** Told the number of records now and then. */
    private readonly progress: (records: number) => void = () => undefined,
    private readonly sentRecords: SentRecords | null = null,
  ) {
    this.rows = RecordCollector.for(target, chunkSize);
  }

  async writeAll(writer: BatchWriter): Promise<void> {
    for await (const block of this.source.rows()) {
      for (let at = 0; at < block.length; at += LOOKED_UP) await this.addAll(block.slice(at, at + LOOKED_UP));
      await writer.flush();
      this.progress(this.rows.totalCount);
    }
    await writer.end();
  }

  private async addAll(rows: readonly TableRow[]): Promise<void> {
    const sent = await this.lookUp(rows);
    for (const row of rows) {
      const place = sent.size === 0 ? null : this.records.placeOf(row);
      const payload = place === null ? undefined : sent.get(place.batchId)?.get(place.line);
      const record = this.records.read(row, payload === undefined ? undefined : jsonMembers(payload));
      if (record !== null) this.add(record);
      if (this.turn.isOver) await this.turn.next();
    }
  }

  /** The records from which rows of a download come, by batch and line. */
  private async lookUp(rows: readonly TableRow[]): Promise<Map<number, ReadonlyMap<number, string>>> {
    const found = new Map<number, ReadonlyMap<number, string>>();
    if (this.sentRecords === null) return found;
    const places = rows.flatMap((row) => this.records.placeOf(row) ?? []);
    for (const [batchId, ofBatch] of Map.groupBy(places, (place) => place.batchId)) {
      if (this.batches.size >= MOST_BATCHES && !this.batches.has(batchId)) continue;
      this.batches.add(batchId);
      const lines = ofBatch.map(({ line }) => line);
      found.set(batchId, await this.sentRecords(batchId, lines));
    }
    return found;
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
