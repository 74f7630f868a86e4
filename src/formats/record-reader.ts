import type { DomainError, ProblemDetail } from '../platform/domain-error.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { RecordError } from '../records/target.js';

/** A run of bytes inside a larger buffer, which must stay as it is until the run was used. */
export interface ByteRange {
  bytes: Buffer;
  start: number;
  end: number;
}

/** What the form it came in tells of a record besides its row. */
export interface RecordOrigin {
  /** The record is not what the form asks for (a row of another width), so that its values prove nothing. */
  error?: RecordError;
  /** Line in the file of ours that it was downloaded in; `null` if that cannot be read. Absent: no such file. */
  originLine?: number | null;
  /** The stored text as a field of COPY text, where it lies in the body as such: spares encoding it again. */
  copyField?: ByteRange;
}

/** Is told every record: its 1-based line, the row, and the row as the JSON text that is stored. */
export type RecordSink = (line: number, row: JsonObject, raw: string, origin?: RecordOrigin) => void;

/**
 * Turns pieces of a body into records. Pure and synchronous: whoever feeds it takes care of back pressure. After the
 * first mistake the sink is told nothing more, since nothing will be stored; the rest is read all the same, so that
 * one answer names every mistake.
 */
export interface RecordReader {
  /** Told once, before anything is read. */
  sink: RecordSink;
  readonly errors: readonly ProblemDetail[];
  readonly errorCount: number;
  /** @throws LineLimitError, and a DomainError for what cannot be read at all */
  push(piece: Buffer): void;
  end(): void;
  /** The answer when there were mistakes. */
  malformed(): DomainError;
  /** The answer when there was no record. */
  empty(): DomainError;
}

export const NO_SINK: RecordSink = () => {
  throw new Error('nobody takes the records');
};

/** Mistakes that are described; the rest is counted. */
export const MAX_DESCRIBED_ERRORS = 100;

/** A line of the body is longer than the limit. `line` is 1-based. */
export class LineLimitError extends Error {
  override readonly name = 'LineLimitError';

  constructor(readonly line: number) {
    super(`line ${line} is longer than the limit`);
  }
}
