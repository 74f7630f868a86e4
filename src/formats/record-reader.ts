import type { DomainError, ProblemDetail } from '../platform/domain-error.js';
import { type JsonObject, jsonPointer } from '../platform/json/json-value.js';
import type { RecordError } from '../records/target.js';

/** A run of bytes inside a larger buffer. The buffer must not change until the run has been used. */
export interface ByteRange {
  bytes: Buffer;
  start: number;
  end: number;
}

/** What the file format tells about a record besides its row. */
export interface RecordOrigin {
  /** The record does not have the shape the file requires (a row with too many cells), so its values prove nothing. */
  error?: RecordError;
  /** Its line in the batch whose results were uploaded; `null` if unreadable. Absent: the file is not such a download. */
  originLine?: number | null;
  /**
   * The stored text, where it lies in the body, given only if it contains no backslash, tab or carriage return. Whoever
   * stores it may copy these bytes, which is faster than encoding the text again.
   */
  plainBytes?: ByteRange;
}

/** JSON.parse would silently keep only the last value of the key, so the row is invalid. */
export function duplicateKeyError(key: string): RecordError {
  return {
    code: 'duplicate_key',
    message: `the key ${JSON.stringify(key.slice(0, MAX_SHOWN_KEY))} occurs more than once in one object`,
    pointer: jsonPointer(key),
  };
}

const MAX_SHOWN_KEY = 100;

/** Receives every record: its 1-based line, the row, and the row as the JSON text that is stored. */
export type RecordSink = (line: number, row: JsonObject, raw: string, origin?: RecordOrigin) => void;

/**
 * Turns pieces of a body into records. Pure and synchronous: the caller takes care of back pressure. After the first
 * mistake the sink receives nothing more, because nothing will be stored; the rest is read all the same, so that one
 * answer names every mistake.
 */
export interface RecordReader {
  /** Set once, before anything is read. */
  sink: RecordSink;
  readonly errors: readonly ProblemDetail[];
  readonly errorCount: number;
  /** @throws LineLimitError, and a DomainError for input that cannot be read at all */
  push(piece: Buffer): void;
  end(): void;
  /** The answer if there were mistakes. */
  malformed(): DomainError;
  /** The answer if there was no record. */
  empty(): DomainError;
}

export const NO_SINK: RecordSink = () => {
  throw new Error('nothing consumes the records');
};

/** Mistakes that are described; any further ones are only counted. */
export const MAX_DESCRIBED_ERRORS = 100;

/** A line of the body exceeds the limit. `line` is 1-based. */
export class LineLimitError extends Error {
  override readonly name = 'LineLimitError';

  constructor(readonly line: number) {
    super(`line ${line} is longer than the limit`);
  }
}
