import type { Writable } from 'node:stream';
import { type Connection, type PoolClient, Query, type QueryResult, type Submittable } from 'pg';
import { EventLoopTurn } from '../concurrency.js';

const ARRAY_SPECIAL = /["\\]/;
const ARRAY_SPECIALS = /["\\]/g;

/**
 * Writes texts as a parameter of type `text[]`, in PostgreSQL's input form. The driver could write the array too, but
 * it takes four times as long, and a chunk has thousands of elements.
 * @param values must not contain NUL, because a PostgreSQL text cannot hold it
 */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** Whole numbers as a parameter of type `integer[]` or `bigint[]`. */
export function integerArray(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

/** The elements of an array of whole numbers that PostgreSQL has written as text; none of `null`. */
export function readIntegerArray(text: string | null): number[] {
  return text === null ? [] : (JSON.parse(`[${text.slice(1, -1)}]`) as number[]);
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
 * Writes a value as one field of PostgreSQL's COPY text format. The value must not contain NUL, which a PostgreSQL text
 * cannot hold. JSON lines never contain it, because it is not valid JSON, and messages pass `visiblyEscaped` first.
 */
export function copyField(value: string | null): string {
  if (value === null) return COPY_NULL;
  return COPY_SPECIAL.test(value)
    ? value.replace(COPY_SPECIALS, (character) => ESCAPES[character] ?? character)
    : value;
}

/** The reverse of `copyField`, as PostgreSQL reads it: for tests and for reading COPY TO. */
export function parseCopyField(field: string): string | null {
  if (field === COPY_NULL) return null;
  return field.replace(/\\(.)/gs, (_, character: string) => {
    return { t: '\t', n: '\n', r: '\r' }[character] ?? character;
  });
}

/** What a COPY in PostgreSQL's binary format begins with: a signature, no flags and no extension. */
export const BINARY_COPY_START = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** What it ends with: -1 instead of the number of fields of another row. */
export const BINARY_COPY_END = Buffer.from([0xff, 0xff]);
/**
 * Makes a text storable in PostgreSQL: NUL and unpaired surrogates become visible escapes. For messages, never for
 * data.
 */
export function visiblyEscaped(text: string): string {
  const withoutNul = text.includes('\u0000') ? text.replaceAll('\u0000', '\\u0000') : text;
  if (withoutNul.isWellFormed()) return withoutNul;
  return withoutNul.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16)}`,
  );
}

/** Where rows go, and how they are written. */
export interface CopyTarget {
  /** Table and columns. */
  into: string;
  /** Whether the rows are in the binary format. Absent: they are COPY text. */
  isBinary?: true;
}

/** Rows that are ready to be written: bytes instead of objects, which every garbage collection would move. */
export interface CopyInput extends CopyTarget {
  /** Whole rows, without the start and the end of the binary format. */
  rows: Buffer;
}

/** The statement that the rows follow. */
export function copyStatement({ into, isBinary }: CopyTarget): string {
  return `COPY ${into} FROM STDIN${isBinary === true ? ' (FORMAT binary)' : ''}`;
}

/** A row of an answer, each value as PostgreSQL writes it. */
export type TextRow = readonly (string | null)[];

/** Statements that are sent without waiting for the answer of the one before. */
export interface StatementsWithRows {
  /** Run before the rows are written. */
  before?: readonly string[];
  tables?: readonly CopyInput[];
  /** Run after the rows have been written. */
  after?: readonly string[];
}

const COPY_DATA = 'd'.charCodeAt(0);
/** The `CopyDone` message: its letter and its length. */
const COPY_DONE = Buffer.from([...Buffer.from('c'), 0, 0, 0, 4]);
const LENGTH_BYTES = 4;

/** A message to PostgreSQL. `pg` calls each method when PostgreSQL sends the message that the method is named after. */
export abstract class PgMessage implements Submittable {
  private isWritten = false;
  private followers: readonly PgMessage[] = [];
  private ended: ((failure: Error | null) => void) | undefined;
  /** Why an earlier message failed: PostgreSQL only says that it ignores this one. */
  private earlierFailure: Error | null = null;

  /** Answers whether all of it could be sent: the driver refuses values that it cannot write. */
  protected abstract write(connection: Connection): boolean;

  /** Passes the answers on, or the failure. Answers the failure, if there is any. */
  protected abstract answer(failure: Error | null, connection: Connection | null): Error | null;

  /**
   * Sends the messages without waiting for the answer to the one before: they take one round trip. PostgreSQL answers
   * each by itself, and ignores those that follow a failure.
   * @param answered called once the last one is answered
   */
  static send(client: PoolClient, messages: readonly PgMessage[], answered: () => void): void {
    const [message, ...followers] = messages;
    if (message === undefined) return answered();
    message.followers = followers;
    message.ended = (failure) => {
      const [next] = followers;
      if (next?.isWritten === false) {
        for (const each of followers) each.answer(failure, null);
        return answered();
      }
      if (next !== undefined) next.earlierFailure = failure;
      // The driver gives what PostgreSQL answers from now on to the next message.
      PgMessage.send(client, followers, answered);
    };
    client.query(message);
  }

  /** Whether it was sent together with an earlier message, and takes no round trip of its own. */
  get isFollower(): boolean {
    return this.isWritten;
  }

  submit(connection: Connection): void {
    if (this.isWritten) return;
    connection.stream.cork();
    for (const message of [this, ...this.followers]) {
      message.isWritten = true;
      // What follows may rely on it: it could be a COMMIT.
      if (!message.write(connection)) break;
    }
    connection.stream.uncork();
  }

  handleReadyForQuery(connection: Connection): void {
    this.end(null, connection);
  }

  handleError(error: Error, connection: Connection): void {
    this.end(this.earlierFailure ?? error, connection);
  }

  private end(failure: Error | null, connection: Connection): void {
    this.ended?.(this.answer(failure, connection));
  }
}

/**
 * Runs statements and writes the rows of several tables, in the given order, as one message: COPY statements followed
 * directly by their rows, without waiting for PostgreSQL to ask for them. After a failure PostgreSQL drops the rows and
 * runs no further statement. With separate messages, each would wait for this process, which prepares other chunks
 * meanwhile. Answers the rows of each statement, none for a COPY.
 */
export class RowsMessage extends PgMessage {
  private readonly answers: TextRow[][] = [];
  private rows: TextRow[] = [];

  constructor(
    private readonly sent: StatementsWithRows,
    private readonly settle: (failure: Error | null, answers: TextRow[][]) => void,
  ) {
    super();
  }

  protected write(connection: Connection): boolean {
    const { stream } = connection;
    const { before = [], after = [] } = this.sent;
    const tables = (this.sent.tables ?? []).filter(({ rows }) => rows.length > 0);
    connection.query([...before, ...tables.map(copyStatement), ...after].join(';'));
    for (const { rows, isBinary } of tables) {
      if (isBinary === true) writeCopyData(stream, BINARY_COPY_START);
      writeCopyData(stream, rows);
      if (isBinary === true) writeCopyData(stream, BINARY_COPY_END);
      stream.write(COPY_DONE);
    }
    return true;
  }

  handleCopyInResponse(): void {
    // The rows are already on their way.
  }

  handleRowDescription(): void {
    // The caller knows the columns.
  }

  handleDataRow({ fields }: { fields: TextRow }): void {
    this.rows.push(fields);
  }

  /** Ends one of several statements: `handleReadyForQuery` follows the last one. */
  handleCommandComplete(): void {
    this.answers.push(this.rows);
    this.rows = [];
  }

  protected answer(failure: Error | null): Error | null {
    this.settle(failure, this.answers);
    return failure;
  }
}

/** Whether a message would hold nothing. */
export function isEmpty({ before = [], tables = [], after = [] }: StatementsWithRows): boolean {
  return before.length + after.length === 0 && tables.every(({ rows }) => rows.length === 0);
}

function writeCopyData(stream: Writable, bytes: Buffer): void {
  const header = Buffer.alloc(1 + LENGTH_BYTES);
  header.writeUInt8(COPY_DATA);
  header.writeUInt32BE(bytes.length + LENGTH_BYTES, 1);
  stream.write(header);
  stream.write(bytes);
}

/** The usual size of a row; the buffer grows for larger rows. */
const ROW_BYTES = 512;
/** The most UTF-8 bytes that one UTF-16 unit takes. */
const MOST_UNIT_BYTES = 3;

/** Collects rows as COPY text. Each turns into bytes at once, so no lines pile up for the garbage collector. */
export class CopyBuffer {
  private text: Buffer;
  private end = 0;

  /** @param rows how many are expected */
  constructor(rows: number) {
    this.text = Buffer.allocUnsafe(rows * ROW_BYTES);
  }

  /** @param fields as COPY text, separated by tabs */
  add(fields: string): void {
    const written = `${fields}\n`;
    const needed = this.end + written.length * MOST_UNIT_BYTES;
    if (needed > this.text.length) {
      const more = Math.max(needed, this.text.length * 2) - this.end;
      this.text = Buffer.concat([this.text.subarray(0, this.end), Buffer.allocUnsafe(more)]);
    }
    this.end += this.text.write(written, this.end);
  }

  /** The rows so far. */
  get bytes(): Buffer {
    return this.text.subarray(0, this.end);
  }
}

/**
 * Writes rows in COPY format. A chunk then needs no array literals, whose quoting costs more than the insert. Large
 * rows take long, so other work of the process runs in between.
 * @param line returns the fields of a row as COPY text, separated by tabs
 */
export async function rowsToCopy<Row>(
  into: string,
  rows: readonly Row[],
  line: (row: Row) => string,
): Promise<CopyInput> {
  const turn = new EventLoopTurn();
  const buffer = new CopyBuffer(rows.length);
  for (const row of rows) {
    if (turn.isOver) await turn.next();
    buffer.add(line(row));
  }
  return { into, rows: buffer.bytes };
}

/** A statement that was asked for and is not sent yet. */
export interface WaitingStatement {
  text: string;
  values: readonly unknown[];
  resolve: (answer: QueryResult<never>) => void;
  reject: (error: unknown) => void;
}

/** The driver cannot write a value for PostgreSQL, so the statement was not sent. */
export class UnsendableError extends Error {
  override readonly name = 'UnsendableError';

  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/**
 * Several statements as one message, answered together: the next statement does not wait for the answer to the one
 * before. PostgreSQL skips the statements that follow a failure.
 */
export class StatementsMessage extends PgMessage {
  private readonly queries: AnsweredQuery[];
  private place = 0;
  private isSent = false;
  /** The first statement that failed. If the driver could not send a value of it, those that follow are not sent. */
  private failure: { place: number; error: Error } | null = null;

  constructor(statements: readonly WaitingStatement[]) {
    super();
    this.queries = statements.map(({ text, values, resolve, reject }, place) => {
      const answered = (error: Error | null, result: QueryResult<never>) => {
        if (error === null) return resolve(result);
        this.failure ??= { place, error: this.isSent ? error : new UnsendableError(error) };
        reject(this.failure.error);
      };
      const config = { text, values: [...values], queryMode: 'extended' };
      return new Query(config, undefined, answered as never) as Query & AnsweredQuery;
    });
  }

  protected write(connection: Connection): boolean {
    // Each statement would end its message itself.
    const open = Object.create(connection, { sync: { value: () => undefined } }) as Connection;
    for (const query of this.queries) {
      query.submit(open);
      if (this.failure !== null) break;
    }
    connection.sync();
    this.isSent = true;
    return this.failure === null;
  }

  handleRowDescription(message: unknown): void {
    this.current.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    this.current.handleDataRow(message);
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    this.current.handleCommandComplete(message, connection);
    this.place += 1;
  }

  protected answer(failure: Error | null, connection: Connection | null): Error | null {
    if (failure !== null) this.failure ??= { place: this.place, error: failure };
    const { place, error } = this.failure ?? { place: this.queries.length, error: new Error() };
    for (const query of this.queries.slice(0, place)) query.handleReadyForQuery(connection);
    for (const query of this.queries.slice(place)) query.handleError(error, connection);
    return this.failure?.error ?? null;
  }

  private get current(): AnsweredQuery {
    const query = this.queries[this.place];
    if (query === undefined) throw new Error('PostgreSQL answered more statements than were sent');
    return query;
  }
}

/** The methods of `Query` by which `pg` passes answers on; its types leave them out. */
interface AnsweredQuery extends Submittable {
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleReadyForQuery(connection: Connection | null): void;
  handleError(error: Error, connection: Connection | null): void;
}
