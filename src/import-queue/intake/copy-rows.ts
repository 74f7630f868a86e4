import { copyField } from '../../database/copy/copy-text.js';

/** A run of bytes inside a larger buffer, which must stay as it is until the run was used. */
export interface ByteRange {
  bytes: Buffer;
  start: number;
  end: number;
}

interface Row {
  line: number;
  /** Status and error as COPY fields, their tabs included. */
  head: Buffer;
  payload: ByteRange;
}

const PENDING = Buffer.from('\tpending\t\\N\t\\N\t\\N\t');
const LINE_FEED = 0x0a;
/** Digits of a line number, and what stands between the fields. */
const MOST_BYTES_BESIDE = 16;

/**
 * Rows of COPY text that wait for the id of their batch. A payload stays where it was received and is copied once, into
 * the buffer that is written: joining strings and encoding them again would cost a quarter of the whole intake.
 */
export class CopyRows {
  /** Bytes of the rows, nearly. */
  length = 0;
  private rows: Row[] = [];

  /** A record that waits to be processed. */
  addPending(line: number, payload: ByteRange): void {
    this.push(line, PENDING, payload);
  }

  /** @param fields status and error as COPY fields, their tabs included */
  add(line: number, fields: string, payload: ByteRange): void {
    this.push(line, Buffer.from(fields), payload);
  }

  /** The rows as COPY text of that batch. */
  take(batchId: number): Buffer {
    const id = Buffer.from(`${batchId}\t`);
    const text = Buffer.allocUnsafe(this.length + this.rows.length * (id.length + MOST_BYTES_BESIDE));
    let at = 0;
    for (const { line, head, payload } of this.rows) {
      text.set(id, at);
      at = writeDigits(text, at + id.length, line);
      text.set(head, at);
      at += head.length;
      at += payload.bytes.copy(text, at, payload.start, payload.end);
      text[at] = LINE_FEED;
      at += 1;
    }
    this.rows = [];
    this.length = 0;
    return text.subarray(0, at);
  }

  private push(line: number, head: Buffer, payload: ByteRange): void {
    this.rows.push({ line, head, payload });
    this.length += head.length + payload.end - payload.start;
  }
}

/** A text as the bytes of a COPY field. */
export function encodedField(text: string): ByteRange {
  const bytes = Buffer.from(copyField(text));
  return { bytes, start: 0, end: bytes.length };
}

/** Writes a positive number in decimal; answers where it ends. */
function writeDigits(text: Buffer, start: number, number: number): number {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  for (let at = start + digits - 1, rest = number; at >= start; at -= 1) {
    const quotient = Math.floor(rest / 10);
    text[at] = 0x30 + rest - quotient * 10;
    rest = quotient;
  }
  return start + digits;
}
