import type { Writable } from 'node:stream';
import type { PoolClient, QueryResult } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { EntityManager, QueryRunner } from 'typeorm';
import {
  type CopyInput,
  copyStatement,
  type CopyTarget,
  isEmpty,
  PgMessage,
  RowsMessage,
  StatementsMessage,
  type StatementsWithRows,
  type TextRow,
  type WaitingStatement,
} from './copy-rows.js';
import { BEGIN, localSettings, type SettingsOfTransactions } from './session-settings.js';

export interface Rows<Row> {
  rows: Row[];
  /** The number of rows selected, inserted, updated or deleted. */
  rowCount: number;
}

export interface Sql {
  /** Runs one statement. bigint columns are returned as numbers, timestamptz as Date, jsonb parsed. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Rows<Row>>;
}

/**
 * One open PostgreSQL transaction on one connection. Statements and rows that are asked for before the program waits for
 * any of them, as in `Promise.all([…])`, travel together: they run in the order given, and take one round trip. The
 * first of them also take the beginning of the transaction with them.
 */
export interface Transaction extends Sql {
  /** The start of the transaction by the clock of PostgreSQL: `now()`, in milliseconds. */
  startedAt(): Promise<Date>;
  /** TypeORM on the same connection, for writes of configuration size. */
  readonly manager: EntityManager;
  /** Starts `COPY … FROM STDIN`; end the stream and await its `finish` before the next statement. */
  copyFrom(input: CopyTarget): Promise<Writable>;
  /** Writes the rows of several tables, in the given order, in one round trip. */
  copyTogether(tables: readonly CopyInput[]): Promise<void>;
  /** What the work asks for at once waits until something else is sent. Do not wait for it before. */
  withNext<Result>(work: () => Promise<Result>): Promise<Result>;
  /**
   * What the work asks for at once is sent together with COMMIT. If PostgreSQL refuses it, nothing is committed; the program
   * cannot take anything back any more, so the work must not check what PostgreSQL answers.
   */
  withCommit(work: () => Promise<unknown>): void;
  /** Runs statements and writes rows in one round trip; answers the rows of each statement. */
  sendTogether(sent: StatementsWithRows): Promise<TextRow[][]>;
  /** Runs the work inside a savepoint. An error undoes only that work and is rethrown. */
  savepoint<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** Rows that were asked to be written and are not sent yet. */
interface WaitingRows {
  sent: StatementsWithRows;
  settle: (failure: Error | null, answers: TextRow[][]) => void;
}

/** The statements of an open transaction on one connection, which the owner of the connection begins and ends. */
export class ClientTransaction implements Omit<
  Transaction,
  'manager' | 'copyFrom' | 'startedAt' | 'withCommit'
> {
  private savepoints = 0;
  private readonly waiting: (WaitingStatement | WaitingRows)[] = [];
  private isDue = false;
  private holdsBack = false;
  /** The messages that are under way; it never rejects. */
  private underWay: Promise<void> = Promise.resolve();

  constructor(protected readonly client: PoolClient) {}

  static async run<Row extends object>(
    client: PoolClient,
    text: string,
    values: readonly unknown[],
  ): Promise<Rows<Row>> {
    const result = await client.query<Row>(text, [...values]);
    return { rows: result.rows, rowCount: result.rowCount ?? 0 };
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    const { rows, rowCount } = await this.answerTo<Row>(text, values);
    return { rows, rowCount: rowCount ?? 0 };
  }

  /** The answer of the driver. */
  protected answerTo<Row extends object>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<QueryResult<Row>> {
    return new Promise<QueryResult<Row>>((resolve, reject) => {
      this.waiting.push({ text, values, resolve, reject });
      this.sendSoon();
    });
  }

  async copyTogether(tables: readonly CopyInput[]): Promise<void> {
    await this.sendTogether({ tables });
  }

  withNext<Result>(work: () => Promise<Result>): Promise<Result> {
    this.holdsBack = true;
    try {
      return work();
    } finally {
      this.holdsBack = false;
    }
  }

  /** Runs statements and writes rows in one round trip; answers the rows of each statement. */
  sendTogether(sent: StatementsWithRows): Promise<TextRow[][]> {
    if (isEmpty(sent)) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const settle = (failure: Error | null, answers: TextRow[][]) => {
        if (failure === null) resolve(answers);
        else reject(failure);
      };
      this.waiting.push({ sent, settle });
      this.sendSoon();
    });
  }

  /** Sends what waits, once the messages before it are answered, and waits for its answer. */
  settled(): Promise<void> {
    this.underWay = this.underWay.then(() => this.send());
    return this.underWay;
  }

  /** Lets what is asked for in the same moment go with it. */
  private sendSoon(): void {
    if (this.isDue || this.holdsBack) return;
    this.isDue = true;
    void this.settled();
  }

  private async send(): Promise<void> {
    this.isDue = false;
    const waiting = this.waiting.splice(0);
    const [only] = waiting;
    if (only === undefined) return;
    if (waiting.length === 1 && 'text' in only) {
      await this.client.query<never>(only.text, [...only.values]).then(only.resolve, only.reject);
      return;
    }
    await new Promise<void>((answered) => PgMessage.send(this.client, messagesOf(waiting), answered));
  }

  async savepoint<Result>(work: () => Promise<Result>): Promise<Result> {
    const name = `s${++this.savepoints}`;
    // Nothing waits for these two: they go with the next statement, which fails if one of them does.
    const begun = this.withNext(() => this.query(`SAVEPOINT ${name}`));
    begun.catch(() => undefined);
    try {
      const result = await work();
      this.withNext(() => this.query(`RELEASE SAVEPOINT ${name}`)).catch(() => undefined);
      return result;
    } catch (error) {
      void this.settled();
      await begun;
      await this.query(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }
}

/** One message for each series of statements, and for each group of rows. */
function messagesOf(waiting: readonly (WaitingStatement | WaitingRows)[]): PgMessage[] {
  const messages: PgMessage[] = [];
  let series: WaitingStatement[] = [];
  const endSeries = () => {
    if (series.length > 0) messages.push(new StatementsMessage(series));
    series = [];
  };
  for (const next of waiting) {
    if ('text' in next) {
      series.push(next);
    } else {
      endSeries();
      messages.push(new RowsMessage(next.sent, next.settle));
    }
  }
  endSeries();
  return messages;
}

/** PostgreSQL answered COMMIT with ROLLBACK: a statement had failed, and the program had ignored that. */
export class RolledBackError extends Error {
  override readonly name = 'RolledBackError';

  constructor() {
    super('a statement of the transaction had failed, so nothing of it was committed');
  }
}

/** What the beginning of a transaction answers. */
interface Begun {
  /** `null` for a transaction that does not write. */
  xid: string | null;
  now: Date;
}

/** A transaction on one pooled connection. `DatabaseService.transaction` opens and ends it. */
export class PgTransaction extends ClientTransaction implements Transaction {
  private readonly begun: Promise<Begun>;
  private hasBegun = false;
  /** What is sent with COMMIT. */
  private readonly last: Promise<unknown>[] = [];

  constructor(
    client: PoolClient,
    private readonly runner: QueryRunner,
    settings: SettingsOfTransactions,
    writes: boolean,
  ) {
    super(client);
    // Writes of TypeORM join the transaction. Its own `startTransaction` would send each statement by itself.
    const query = (text: string, values?: unknown[]) => this.answerTo(text, values);
    Object.assign(runner, { isTransactionActive: true, connect: () => Promise.resolve({ query }) });
    this.begun = this.withNext(() => this.begin(beginning(settings, writes), writes));
    // Nothing waits for it: if it fails, so does the first statement.
    this.begun.catch(() => undefined);
  }

  private async begin(statement: string, writes: boolean): Promise<Begun> {
    const [, { rows }] = await Promise.all([this.answerTo(BEGIN), this.answerTo<Begun>(statement)]);
    const [begun] = rows;
    if (begun === undefined || (writes && begun.xid === null)) {
      throw new Error('PostgreSQL answered no transaction id');
    }
    this.hasBegun = true;
    return begun;
  }

  withCommit(work: () => Promise<unknown>): void {
    const last = this.withNext(work);
    last.catch(() => undefined);
    this.last.push(last);
  }

  /** Sends what waits, and waits for the transaction's id. */
  async ready(): Promise<string | null> {
    if (this.last.length === 0 || !this.hasBegun) await this.settled();
    return (await this.begun).xid;
  }

  /**
   * Commits together with what waits for it.
   * @throws what PostgreSQL refused, after which the transaction is rolled back or can be
   */
  async commit(): Promise<void> {
    const commit = this.answerTo('COMMIT');
    const [ended, ...last] = await Promise.allSettled([commit, ...this.last]);
    const refused = last.find((each) => each.status === 'rejected');
    if (ended.status === 'rejected') throw refused?.reason ?? ended.reason;
    if (ended.value.command === 'ROLLBACK') throw refused?.reason ?? new RolledBackError();
  }

  get manager(): EntityManager {
    return this.runner.manager;
  }

  async startedAt(): Promise<Date> {
    if (!this.hasBegun) void this.settled();
    return (await this.begun).now;
  }

  async copyFrom(input: CopyTarget): Promise<Writable> {
    await this.settled();
    return this.client.query(copyFrom(copyStatement(input)));
  }
}

/**
 * The settings of the transaction, its start and its id. The id is known before COMMIT, because a transaction whose COMMIT
 * is in doubt can no longer be asked for it.
 */
function beginning(settings: SettingsOfTransactions, writes: boolean): string {
  const xid = writes ? 'pg_current_xact_id()::text' : 'NULL';
  return `SELECT ${xid} AS xid, now() AS now, ${localSettings(settings)}`;
}
