import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { JsonObject } from '../platform/json/json-value.js';

/** Why one record was refused. `pointer` is an RFC 6901 pointer into the record. */
export interface RecordError {
  code: string;
  message: string;
  pointer?: string;
}

/** One line of a batch: its 1-based line number in what was sent, and the line exactly as sent. */
export interface ImportRecord {
  line: number;
  payload: string;
}

export type Operation = 'created' | 'updated' | 'unchanged' | 'rejected';

/** What became of one record. `reference` names the thing it touched (for a workflow: the instance id). */
export type RecordOutcome =
  | {
      line: number;
      status: 'succeeded';
      operation: 'created' | 'updated' | 'unchanged';
      reference: string | null;
    }
  | { line: number; status: 'skipped'; operation: null; reference: string | null }
  | { line: number; status: 'failed'; operation: 'rejected'; reference: string | null; error: RecordError };

/** What pass 1 says of a row. */
export interface RowVerdict {
  error: RecordError | null;
  /**
   * Records of a batch that share an ordering key are processed in line order, whatever chunks they fall
   * into (for a workflow: the normalised identifier values). Empty: the record depends on no other.
   */
  orderingKeys: readonly string[];
}

/** One column of a row, for templates and the derived JSON Schema. */
export interface RowColumn {
  name: string;
  required: boolean;
  description: string;
  /** A value a person may start from, as CSV text. */
  example: string;
}

/** The configuration of one pinned import process version, made ready for many rows. Immutable. */
export interface CompiledTarget {
  readonly columns: readonly RowColumn[];
  /** JSON Schema 2020-12 of one row. */
  readonly schema: JsonObject;
  /** Pass 1: pure and synchronous; called once per line while the body streams in. `raw` is the line as sent. */
  checkRow(row: JsonObject, raw: string): RowVerdict;
}

/** What a target is told about the chunk it works on. */
export interface ChunkContext<Compiled extends CompiledTarget = CompiledTarget> {
  batchId: number;
  chunkNumber: number;
  compiled: Compiled;
  /** Who started the batch; ends up in the log of what was changed. */
  actor: string;
  /**
   * Says what else records turned out to be about (for a workflow: the other identifiers of the instances they found),
   * before anything is written. @throws when an earlier chunk of the batch, not done yet, has one of these ordering
   * keys: let it pass, the chunk will be processed after that one.
   */
  keepOrder(orderingKeys: readonly string[]): void;
  /** Effects, outcomes and the chunk's `done` commit together: everything is written through this. */
  transaction: Transaction;
}

/** What a target is told before it says what would become of a batch. */
export interface PreviewContext<Compiled extends CompiledTarget = CompiledTarget> {
  compiled: Compiled;
  /** To look things up. Nothing is written or locked. */
  sql: Sql;
}

/** Looks at a batch chunk by chunk, in line order; what earlier records would have done is seen by later ones. */
export interface PreviewRun {
  /**
   * One outcome per record, as `process` would answer it; what would be created has no reference yet.
   * @param occursLater whether an ordering key occurs in a later chunk. What no later record can ask for may be forgotten.
   */
  chunk(records: readonly ImportRecord[], recurs: (orderingKey: string) => boolean): Promise<RecordOutcome[]>;
}

/** The configuration part of an import process that belongs to its target. */
export interface TargetConfiguration {
  kind: string;
  [property: string]: unknown;
}

/** The configuration a batch pins: an import process version, and what its target pins besides. */
export interface PinnedConfiguration {
  target: TargetConfiguration;
  recordSchema: JsonObject | null;
  /** Version of the workflow definition, for the `workflow` target; null for others. */
  workflowVersion: number | null;
}

export interface ConfigurationProblem {
  /** RFC 6901 pointer into the import process that was sent, for example `/target/step`. */
  pointer: string;
  code: string;
  message: string;
}

/**
 * What an import process does with its records. A target takes N records and answers N outcomes in any
 * order; it knows neither Bull nor batches. One record's failure must not touch another's outcome. A target
 * that throws fails the chunk, which is rolled back and tried again.
 */
export interface RecordTarget<Compiled extends CompiledTarget = CompiledTarget> {
  readonly kind: string;
  /** Checks a configuration when an import process is saved; an empty array means it is usable. */
  validate(target: TargetConfiguration, recordSchema: JsonObject | null): Promise<ConfigurationProblem[]>;
  /** What a batch that starts now has to pin so that later changes do not reach it. */
  pin(target: TargetConfiguration): Promise<Pick<PinnedConfiguration, 'workflowVersion'>>;
  compile(configuration: PinnedConfiguration): Promise<Compiled>;
  process(records: readonly ImportRecord[], context: ChunkContext<Compiled>): Promise<RecordOutcome[]>;
  /** Left out by targets that cannot know what will become of a record before they have tried. */
  preview?(context: PreviewContext<Compiled>): Promise<PreviewRun>;
}
