import type { Sql } from '../../src/platform/database/database.service.js';
import type {
  ChunkContext,
  CompiledTarget,
  ConfigurationProblem,
  ImportRecord,
  RecordOutcome,
  RecordTarget,
} from '../../src/records/target.js';

/** What a record of the tests asks for: `{"do": "succeed" | "fail" | "skip" | "throw"}`. */
interface TestRow {
  do?: 'succeed' | 'fail' | 'skip' | 'throw';
}

const COMPILED: CompiledTarget = {
  columns: [],
  schema: {},
  checkRow: () => ({ error: null, orderingKeys: [] }),
};

/**
 * A target that leaves one row per record it processed in the table `effect`: a record that was processed twice is
 * there twice. `during` runs inside the chunk's transaction, before the effects.
 */
export class EffectsTarget implements RecordTarget {
  readonly kind = 'effects';
  during: (context: ChunkContext, records: readonly ImportRecord[]) => Promise<void> = async () => undefined;
  /** Chunks in the order in which they started, as `batch/chunk`. */
  readonly begun: string[] = [];
  failureMessage = 'it was asked to fail';

  static async prepare(sql: Sql): Promise<void> {
    await sql.query(
      `CREATE TABLE effect (number bigint GENERATED ALWAYS AS IDENTITY, batch_id bigint, line integer)`,
    );
  }

  async validate(): Promise<ConfigurationProblem[]> {
    return [];
  }

  async pin(): Promise<{ workflowVersion: null }> {
    return { workflowVersion: null };
  }

  async compile(): Promise<CompiledTarget> {
    return COMPILED;
  }

  async process(records: readonly ImportRecord[], context: ChunkContext): Promise<RecordOutcome[]> {
    this.begun.push(`${context.batchId}/${context.chunkNumber}`);
    await this.during(context, records);
    await context.transaction.query(
      'INSERT INTO effect (batch_id, line) SELECT $1, line FROM unnest($2::integer[]) AS line',
      [context.batchId, records.map(({ line }) => line)],
    );
    return records.map(({ line, payload }) => this.outcome(line, JSON.parse(payload) as TestRow)).reverse();
  }

  private outcome(line: number, row: TestRow): RecordOutcome {
    switch (row.do) {
      case 'throw':
        throw new Error(`line ${line} breaks the target`);
      case 'fail': {
        const error = { code: 'asked_to', message: this.failureMessage };
        return { line, status: 'failed', operation: 'rejected', reference: null, error };
      }
      case 'skip':
        return { line, status: 'skipped', operation: null, reference: null };
      default:
        return { line, status: 'succeeded', operation: 'created', reference: String(line) };
    }
  }
}
