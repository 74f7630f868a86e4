import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';

/** Why one record was refused. `pointer` is an RFC 6901 pointer into the record. */
export interface RecordError {
  code: string;
  message: string;
  pointer?: string;
}

/** The most errors that a record keeps. */
export const MOST_ERRORS = 10;

/** All errors of a record that was refused for several reasons. */
interface AllErrors {
  /** At most `MOST_ERRORS`, the first being `error`; absent if `error` is the only one. */
  errors?: readonly RecordError[];
}

/** One line of a batch: its 1-based line number in the body that was sent, and the line exactly as sent. */
export interface ImportRecord {
  line: number;
  payload: string;
  /** In an undo: the reference of the outcome to revert. */
  reference?: string | null;
}

/** `reverted` and `kept` occur only in an undo. */
export type Operation = 'created' | 'updated' | 'unchanged' | 'rejected' | 'reverted' | 'kept';

/** The outcome of one record. `reference` names the object it affected (for a workflow: the instance id). */
export type RecordOutcome =
  | {
      line: number;
      status: 'succeeded';
      operation: 'created' | 'updated' | 'unchanged';
      reference: string | null;
    }
  | { line: number; status: 'skipped'; operation: null; reference: string | null }
  | ({
      line: number;
      status: 'failed';
      operation: 'rejected';
      reference: string | null;
      error: RecordError;
    } & AllErrors);

/**
 * The outcome of undoing one record. `kept`: the object has changed since, and stays as it is. `unchanged`: there was
 * nothing left to revert.
 */
export type UndoOutcome =
  | { line: number; status: 'succeeded'; operation: 'reverted' | 'unchanged'; reference: string | null }
  | { line: number; status: 'skipped'; operation: 'kept'; reference: string | null; error: RecordError }
  | Extract<RecordOutcome, { status: 'failed' }>;

/** The result of pass 1 for a row. `errors` is stored with the record and answered by `GET …/Records`. */
export interface RowVerdict extends AllErrors {
  error: RecordError | null;
  /**
   * Records of a batch that share an ordering key (for a workflow: the normalized identifier values) are processed in
   * line order, even across chunks. Empty: the record does not depend on any other.
   */
  orderingKeys: readonly string[];
}

/** The two halves of the hash of an ordering key, as integers of 32 bits. */
export interface KeyHash {
  readonly high: number;
  readonly low: number;
}

/** A piece of UTF-8 with complete lines. */
export interface LineBlock {
  readonly bytes: Buffer;
  /** The same as text, if all of it is ASCII, so that a character is a byte; else `null`. */
  readonly ascii: string | null;
}

/**
 * Checks values of one column where they stand in a line. Such a value is a text without escapes and control characters,
 * or a whole number of at most nine digits, whose JSON is the value itself.
 */
export interface PlainCheck {
  /**
   * Whether the value is surely accepted; `false`: only `checkRow` can tell. An empty text also stands for null.
   * @param isText whether it is a text, between its quotes; else a number
   */
  accepts(block: LineBlock, start: number, end: number, isText: boolean): boolean;
  /** For columns with ordering keys: the hash of the key of the value that was accepted last; `null` if it has none. */
  readonly key?: KeyHash | null;
}

/** What kind of values a column has. `action`: it names the action of the row. */
export type ColumnKind =
  | 'identifier'
  | 'action'
  | 'text'
  | 'number'
  | 'boolean'
  | 'date'
  | 'dateTime'
  | 'option'
  | 'options'
  | 'email'
  | 'url';

/** One column of a row, for templates, for uploads and for the derived JSON Schema. */
export interface RowColumn {
  name: string;
  required: boolean;
  /** Decides how the cells of uploaded files are read; `text` if absent. */
  kind?: ColumnKind;
  /** The options of a column of the kind `option` or `options`. */
  options?: readonly string[];
  /** Whether the cells of uploaded files, and constants, become JSON numbers and booleans instead of texts. */
  literal?: true;
  /** Whether an empty cell, and the word `null`, become null in a column of `literal` values. */
  nullable?: true;
  /** Of times without an offset, in a column of the kind `dateTime`; UTC if absent. */
  timeZone?: string;
  description: string;
  /** A sample value that users can start from, as CSV text. */
  example: string;
}

/** The configuration of one pinned import process version, compiled for checking many rows. Immutable. */
export interface CompiledTarget {
  readonly columns: readonly RowColumn[];
  /** JSON Schema 2020-12 of one row. */
  readonly schema: JsonObject;
  /**
   * Records per chunk, as a multiple of `CHUNK_SIZE`; 1 if omitted. Larger where a record costs so little that the work
   * per chunk would count.
   */
  readonly chunkFactor?: number;
  /** Pass 1: pure and synchronous; called once per line while the body streams in. `raw` is the line as sent. */
  checkRow(row: JsonObject, raw: string): RowVerdict;
  /**
   * A check for each of these names. A row that has just these names, in this order, and only values that their checks
   * accept, passes `checkRow`, with the keys of the checks as ordering keys. `null`, or absent: there are none.
   */
  plainChecks?(names: readonly string[]): readonly PlainCheck[] | null;
}

/** The facts that a target gets about the chunk to process. */
export interface ChunkContext<Compiled extends CompiledTarget = CompiledTarget> {
  batchId: number;
  chunkNumber: number;
  compiled: Compiled;
  /** The principal who started the batch, for the change log. */
  actor: string;
  /**
   * Reports additional ordering keys found during processing (for a workflow: the other identifiers of the matched
   * instances). Call it before anything is written. @throws if an unfinished earlier chunk of the batch has one of
   * these keys. Do not catch that error: this chunk will be processed after the earlier one.
   */
  keepOrder(orderingKeys: readonly string[]): void;
  /** Write everything through this transaction, so that effects, outcomes and the chunk's `done` commit together. */
  transaction: Transaction;
}

/** What earlier attempts left behind about a record without an outcome. */
export interface DeliveryState {
  /** Attempts that failed. */
  attempts: number;
  /** The time until the next attempt. */
  dueInMs: number;
  /** Whether the target answered other records after an attempt of this one had failed. */
  isSuspect: boolean;
}

/** An outcome, and how many attempts it took. */
export type DeliveredOutcome = { attempts: number } & (
  | RecordOutcome
  /** The target does not tell what the record changed. */
  | { line: number; status: 'succeeded'; operation: null; reference: string | null }
  /** The target may have the record or not, and must not get it twice: a person finds out. */
  | { line: number; status: 'unknown'; operation: null; reference: null; error: RecordError }
);

/**
 * The facts that a target gets about a chunk that it delivers outside of a transaction. The worker holds the chunk by a
 * lease; each write fails once another worker has taken the chunk over. No method holds a connection of the database
 * between two calls.
 */
export interface DeliveryContext<Compiled extends CompiledTarget = CompiledTarget> extends Pick<
  ChunkContext<Compiled>,
  'batchId' | 'chunkNumber' | 'compiled'
> {
  importProcessId: number;
  /** In line order, one after the other. */
  ordered: boolean;
  /**
   * The batch is paused because the target was unavailable: the one record shows whether it is available again. Send
   * it once.
   */
  isProbe: boolean;
  states: ReadonlyMap<number, DeliveryState>;
  /** Aborted when nothing more is to be sent: the batch is paused or canceled, or the worker stops. */
  stop: AbortSignal;
  /** Aborted when requests under way must end: another worker has the chunk, or the time for stopping is over. */
  cut: AbortSignal;
  /**
   * Stores that these records may be sent from now on. If no outcome and no failed attempt is stored, they end as
   * `unknown`. For targets that must not get a record twice.
   */
  begin(lines: readonly number[]): Promise<void>;
  /** Stores that an attempt failed, and will be repeated. */
  postpone(lines: readonly number[], state: DeliveryState): Promise<void>;
  save(outcomes: readonly DeliveredOutcome[]): Promise<void>;
}

/** The target is unavailable: its batches pause, and one record at a time is tried until one gets an answer. */
export class TargetUnavailableError extends Error {
  override readonly name = 'TargetUnavailableError';
}

/** The facts that a target gets about the chunk of an undo. */
export interface UndoContext<Compiled extends CompiledTarget = CompiledTarget> extends Pick<
  ChunkContext<Compiled>,
  'batchId' | 'chunkNumber' | 'compiled' | 'actor' | 'transaction'
> {
  /** The batch whose effects are reverted. The records have the same lines in it. */
  undoneBatchId: number;
}

/** The facts that a target gets for lookups about a batch that may be undone. It does not write or lock anything. */
export interface UndoPreviewContext<Compiled extends CompiledTarget = CompiledTarget> {
  compiled: Compiled;
  sql: Sql;
  undoneBatchId: number;
}

/** The outcome that the undo of a record would have, and the values that it would change. */
export type PreviewedUndo = UndoOutcome & { changes?: readonly FieldChange[] };

/** The facts that a target gets for the preview of a batch. */
export interface PreviewContext<Compiled extends CompiledTarget = CompiledTarget> {
  compiled: Compiled;
  /** For lookups only. A preview does not write or lock anything. */
  sql: Sql;
}

/** The outcome that a record would have, and what it would change. */
export type PreviewedOutcome = RecordOutcome & { changes?: readonly FieldChange[] };

/** One value that a record changes; `null` stands for absent. */
export interface FieldChange {
  field: string;
  before: JsonValue;
  after: JsonValue;
}

/** Records of a batch that are about the same thing. */
export interface SameThing {
  /** An identifier that they have, as a name, a colon and a value. */
  identifier: string;
  lines: number[];
}

/** How many things exist that records can change, and how many of them the previewed records would change. */
export interface ExistingThings {
  total: number;
  changed: number;
}

/** Records of a preview with the stored data that they find. */
export interface LookedUpRecords {
  /**
   * One outcome per record, as `process` would answer it; objects that would be created have no reference yet. Called in
   * line order: later records see the effects that earlier ones would have had.
   * @param recurs whether an ordering key occurs more often than `here` times in these records and later ones. Data that
   *   no later record needs may be dropped.
   */
  foresee(recurs: (orderingKey: string, here: number) => boolean): PreviewedOutcome[];
}

/** Previews a batch, some records at a time. */
export interface PreviewRun {
  /** Reads records and looks up what they find, whether or not earlier records have been foreseen. */
  lookUp(records: readonly ImportRecord[]): Promise<LookedUpRecords>;
  /** The first things that several records so far are about. */
  readonly sameThings?: readonly SameThing[];
  /** After all records: the things that existed before, and those of them that would change. */
  existingThings?(): Promise<ExistingThings>;
}

/** The configuration part of an import process that belongs to its target. */
export interface TargetConfiguration {
  kind: string;
  [property: string]: unknown;
}

/** The configuration that a batch pins: an import process version, and the version that its target pins. */
export interface PinnedConfiguration {
  target: TargetConfiguration;
  recordSchema: JsonObject | null;
  /** Of times without an offset in files; a name of the IANA database. Absent: UTC. */
  timeZone?: string;
  /** Rows without any identifier create something new. Absent: they are refused. */
  allowWithoutIdentifier?: boolean;
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
 * Processes the records of an import process. A target takes N records and answers N outcomes in any order. It does not
 * depend on Bull or on batches. The failure of one record must not affect the outcome of another. If a target throws,
 * the chunk fails, is rolled back and is tried again.
 */
export interface RecordTarget<Compiled extends CompiledTarget = CompiledTarget> {
  readonly kind: string;
  /** The configuration as it is stored: with its secrets encrypted. Absent, as the next four, without secrets. */
  seal?(target: TargetConfiguration): TargetConfiguration;
  /** The stored configuration as it is shown: with its secrets hidden. */
  shown?(target: TargetConfiguration): TargetConfiguration;
  /** The stored configuration with its secrets. */
  opened?(stored: TargetConfiguration): TargetConfiguration;
  /** A configuration that was sent with hidden secrets, with those that are stored. */
  restored?(sent: TargetConfiguration, stored: TargetConfiguration): TargetConfiguration;
  /** Whether `seal` would change nothing. */
  isSealed?(stored: TargetConfiguration): boolean;
  /** Checks a configuration when an import process is saved; an empty array means that it is usable. */
  validate(target: TargetConfiguration, recordSchema: JsonObject | null): Promise<ConfigurationProblem[]>;
  /** The version that a batch must pin when it starts, so that later changes do not affect it. */
  pin(target: TargetConfiguration): Promise<Pick<PinnedConfiguration, 'workflowVersion'>>;
  compile(configuration: PinnedConfiguration): Promise<Compiled>;
  /** A target has either this method or `deliver`. */
  process?(records: readonly ImportRecord[], context: ChunkContext<Compiled>): Promise<RecordOutcome[]>;
  /**
   * For effects outside of any database of ours: sends the records and saves each outcome once it is known. Returns
   * when every record has its outcome, or after `stop` was aborted, when no request is under way any more.
   * @throws TargetUnavailableError if the target does not take records at present
   */
  deliver?(records: readonly ImportRecord[], context: DeliveryContext<Compiled>): Promise<void>;
  /** Absent for targets that cannot know the outcome of a record before processing it. */
  preview?(context: PreviewContext<Compiled>): Promise<PreviewRun>;
  /**
   * Reverts the effects of records of an ended batch, each exactly once and only if nothing has changed the object
   * since. The records come in the order in which they must be reverted: the last effect first. Absent, as the next
   * two, for targets that do not record what a record changed.
   */
  undo?(records: readonly ImportRecord[], context: UndoContext<Compiled>): Promise<UndoOutcome[]>;
  /** Whether an import process records what its records change. Absent: each one does, if there is `undo`. */
  canUndo?(compiled: Compiled): boolean;
  /** What `undo` would do to these records. It assumes that it reverts the later effects of the batch first. */
  previewUndo?(
    records: readonly ImportRecord[],
    context: UndoPreviewContext<Compiled>,
  ): Promise<PreviewedUndo[]>;
  /**
   * The ordering keys of each of these records in an undo, by line: two records that share a key are reverted in turn,
   * even across chunks.
   */
  undoKeys?(
    records: readonly ImportRecord[],
    context: UndoPreviewContext<Compiled>,
  ): Promise<ReadonlyMap<number, readonly string[]>>;
}
