import type { Connection, PoolClient, Submittable } from 'pg';

const ARRAY_SPECIAL = /["\\]/;
const ARRAY_SPECIALS = /["\\]/g;

/**
 * Texts as a parameter of type `text[]`, in the form PostgreSQL reads. The driver would write an array too, but takes
 * four times as long over it, and a chunk has thousands of elements.
 * @param values must hold no NUL, which no PostgreSQL text can
 */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** Whole numbers as a parameter of type `integer[]` or `bigint[]`. */
export function integerArray(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

function quoted(value: string): string {
  return `"${ARRAY_SPECIAL.test(value) ? value.replace(ARRAY_SPECIALS, '\\$&') : value}"`;
}

const COPY_SPECIAL = /[\\\t\n\r]/;
const COPY_SPECIALS = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** NULL in PostgreSQL's COPY text format. */
export const COPY_NULL = '\\N';

/**
 * A value as one field of PostgreSQL's COPY text format. The value must hold no NUL, which no PostgreSQL text can:
 * JSON lines cannot (it is no JSON), and messages pass `visiblyEscaped` first.
 */
export function copyField(value: string | null): string {
  if (value === null) return COPY_NULL;
  return needsEscape(value)
    ? value.replace(COPY_SPECIALS, (character) => ESCAPES[character] ?? character)
    : value;
}

/** Whether `copyField` would change the text. */
export function needsEscape(text: string): boolean {
  return COPY_SPECIAL.test(text);
}

/** The reverse of `copyField`, as PostgreSQL reads it: for tests and for reading COPY TO. */
export function parseCopyField(field: string): string | null {
  if (field === COPY_NULL) return null;
  return field.replace(/\\(.)/gs, (_, character: string) => {
    return { t: '\t', n: '\n', r: '\r' }[character] ?? character;
  });
}

/** A text PostgreSQL can hold: NUL and unpaired surrogates become visible escapes. For messages, never for data. */
export function visiblyEscaped(text: string): string {
  const withoutNul = text.includes('\u0000') ? text.replaceAll('\u0000', '\\u0000') : text;
  if (withoutNul.isWellFormed()) return withoutNul;
  return withoutNul.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16)}`,
  );
}

/** Rows that are ready to be written: bytes, not objects, which each collection of garbage would move about. */
export interface CopyInput {
  /** Table and columns. */
  into: string;
  /** COPY text, whole lines. */
  text: Buffer;
}

/**
 * Writes the rows of several tables, in their order, as one message: COPY statements and, without waiting to be asked
 * for them, their rows. PostgreSQL drops the rows that come after a failure. One after the other, each COPY would wait
 * twice until this process, which prepares other chunks meanwhile, turns to it.
 */
export async function copyTogether(client: PoolClient, tables: readonly CopyInput[]): Promise<void> {
  const written = tables.filter(({ text }) => text.length > 0);
  if (written.length === 0) return;
  await new Promise<void>((resolve, reject) => {
    client.query(new CopyMessage(written, resolve, reject));
  });
}

const COPY_DATA = 'd'.charCodeAt(0);
/** The message `CopyDone`: its letter and its length. */
const COPY_DONE = Buffer.from([...Buffer.from('c'), 0, 0, 0, 4]);
const LENGTH_BYTES = 4;

/** The methods are called by `pg`, each on the message of PostgreSQL it is named for. */
class CopyMessage implements Submittable {
  constructor(
    private readonly tables: readonly CopyInput[],
    private readonly resolve: () => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  submit(connection: Connection): void {
    const { stream } = connection;
    stream.cork();
    connection.query(this.tables.map(({ into }) => `COPY ${into} FROM STDIN`).join(';'));
    for (const { text } of this.tables) {
      stream.write(copyDataHeader(text.length));
      stream.write(text);
      stream.write(COPY_DONE);
    }
    stream.uncork();
  }

  handleCopyInResponse(): void {
    // The rows are on their way already.
  }

  handleCommandComplete(): void {
    // One COPY of several: `handleReadyForQuery` comes after the last.
  }

  handleReadyForQuery(): void {
    this.resolve();
  }

  handleError(error: unknown): void {
    this.reject(error);
  }
}

function copyDataHeader(bytes: number): Buffer {
  const header = Buffer.alloc(1 + LENGTH_BYTES);
  header.writeUInt8(COPY_DATA);
  header.writeUInt32BE(bytes + LENGTH_BYTES, 1);
  return header;
}

/** What a row usually takes; where rows take more, the memory grows. */
const ROW_BYTES = 512;
/** Of one UTF-16 unit in UTF-8. */
const MOST_UNIT_BYTES = 3;

/**
 * Rows as COPY takes them: a chunk then needs no array literals, whose quotes cost more than the insert.
 * @param line the fields of a row as COPY text, their tabs between them
 */
export function rowsToCopy<Row>(into: string, rows: readonly Row[], line: (row: Row) => string): CopyInput {
  let text = Buffer.allocUnsafe(rows.length * ROW_BYTES);
  let end = 0;
  for (const row of rows) {
    // Each line turns into bytes at once and is garbage before the next: nothing is left to be collected later.
    const written = `${line(row)}\n`;
    const needed = end + written.length * MOST_UNIT_BYTES;
    if (needed > text.length)
      text = Buffer.concat([text.subarray(0, end)], Math.max(needed, text.length * 2));
    end += text.write(written, end);
  }
  return { into, text: text.subarray(0, end) };
}
