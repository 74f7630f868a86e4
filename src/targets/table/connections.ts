import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Pool, type PoolClient } from 'pg';
import { TimeoutError, withTimeout } from '../../platform/concurrency.js';
import { AppConfig, type TableConnectionConfig } from '../../platform/config/config.js';
import { DatabaseService, GuardedClient, type Sql } from '../../platform/database/database.service.js';
import { isDatabaseUnavailable } from '../../platform/database/postgres-errors.js';
import { beginStatements } from '../../platform/database/session-settings.js';
import { ClientTransaction } from '../../platform/database/transaction.js';
import { errorMessage } from '../../platform/errors.js';
import type { CopyInput, TextRow } from '../../platform/database/copy-rows.js';
import type { TableTransaction } from './table-application.js';

/** Connections to one target database, beside those that read its catalog. */
const SPARE_CONNECTIONS = 2;
const CONNECT_WITHIN_MS = 10_000;
const IDLE_MS = 30_000;
const LONGEST_STATEMENT_MS = 30_000;

/** The database of a connection cannot be used now. The code is SQLSTATE `connection_failure`. */
class TargetUnavailableError extends Error {
  override readonly name = 'TargetUnavailableError';
  readonly code = '08006';

  constructor(connection: string, cause: unknown) {
    super(`the database of the connection "${connection}" cannot be used: ${errorMessage(cause)}`, { cause });
  }
}

/** An open transaction in another database. */
export interface OtherTransaction extends TableTransaction {
  /** The rows of the last opening statement. */
  opened: readonly TextRow[];
  /** Writes the rows in one round trip with COMMIT. */
  beforeCommit(rows: CopyInput): void;
}

interface TransactionStart {
  mode?: 'READ WRITE' | 'READ ONLY';
  /** Statements that are sent together with the beginning. */
  opening?: readonly string[];
}

/** The databases whose tables imports may fill. Pools open at first use and close at shutdown. */
@Injectable()
export class TableConnections implements OnModuleDestroy {
  private readonly logger = new Logger(TableConnections.name);
  private readonly pools = new Map<string, Pool>();
  private readonly statementMs: number;
  private isClosed = false;

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {
    // While a statement runs there, our own transaction is idle, and PostgreSQL ends it after its limit.
    this.statementMs = Math.min(LONGEST_STATEMENT_MS, Math.ceil(config.databaseIdleTransactionMs / 2));
  }

  /** By name, in alphabetical order. */
  get names(): string[] {
    return [...this.config.tableConnections.keys()];
  }

  find(name: string): TableConnectionConfig | undefined {
    return this.config.tableConnections.get(name);
  }

  /** Whether the connection leads to the database of the application, by its own pool. */
  isOwn(name: string): boolean {
    return this.get(name).url === undefined;
  }

  /** Reads the catalog, with all names written in full. */
  reading<Result>(name: string, work: (sql: Sql) => Promise<Result>): Promise<Result> {
    const read = async (sql: Sql) => {
      await sql.query('SET LOCAL search_path TO pg_catalog');
      return work(sql);
    };
    if (this.isOwn(name)) return this.database.transaction(read, { writes: false });
    return this.transaction(name, read, { mode: 'READ ONLY' });
  }

  /**
   * Runs one statement that only reads, for a preview. Not in a transaction of the application, so it holds no lock
   * when it ends.
   */
  async select<Row extends object>(name: string, text: string, values: readonly unknown[]): Promise<Row[]> {
    const run = async (sql: Sql) => (await sql.query<Row>(text, values)).rows;
    return this.isOwn(name) ? run(this.database) : this.transaction(name, run, { mode: 'READ ONLY' });
  }

  /**
   * A transaction in another database. It commits before this returns.
   * @throws TargetUnavailableError if the database cannot be reached or does not answer in time
   */
  async transaction<Result>(
    name: string,
    work: (transaction: OtherTransaction) => Promise<Result>,
    { mode = 'READ WRITE', opening = [] }: TransactionStart = {},
  ): Promise<Result> {
    let client: PoolClient | undefined;
    let fault: Error | undefined;
    try {
      client = await this.pool(name).connect();
      return await this.run(client, work, mode, opening);
    } catch (error) {
      fault = error as Error;
      throw isBroken(error, client !== undefined) ? new TargetUnavailableError(name, error) : error;
    } finally {
      // A connection whose transaction did not end must not be used again.
      client?.release(fault !== undefined && (isBroken(fault, true) || isDatabaseUnavailable(fault)));
    }
  }

  private async run<Result>(
    client: PoolClient,
    work: (transaction: OtherTransaction) => Promise<Result>,
    mode: string,
    opening: readonly string[],
  ): Promise<Result> {
    const { statementMs } = this;
    const begin = beginStatements({ idleTransactionMs: this.config.databaseIdleTransactionMs });
    const limits = `SET LOCAL statement_timeout = ${statementMs}; SET LOCAL lock_timeout = ${statementMs}`;
    const soon = <Answer>(answer: Promise<Answer>) => withTimeout(2 * statementMs, answer);
    const transaction = new ClientTransaction(client);
    const before = [begin, `SET TRANSACTION ${mode}`, limits, ...opening];
    const last: CopyInput[] = [];
    try {
      const answers = await soon(transaction.sendTogether({ before }));
      const bounded: OtherTransaction = {
        query: (text, values) => soon(transaction.query(text, values)),
        sendTogether: (sent) => soon(transaction.sendTogether(sent)),
        opened: answers.at(-1) ?? [],
        beforeCommit: (rows) => last.push(rows),
      };
      const result = await work(bounded);
      await soon(transaction.sendTogether({ tables: last, after: ['COMMIT'] }));
      return result;
    } catch (error) {
      if (!isBroken(error, true)) await soon(client.query('ROLLBACK')).catch(() => undefined);
      throw error;
    }
  }

  async onModuleDestroy(): Promise<void> {
    this.isClosed = true;
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }

  private get(name: string): TableConnectionConfig {
    const connection = this.find(name);
    if (connection !== undefined) return connection;
    throw new TargetUnavailableError(name, new Error(`TARGET_${name.toUpperCase()}_URL is not set`));
  }

  private pool(name: string): Pool {
    const known = this.pools.get(name);
    if (known !== undefined) return known;
    if (this.isClosed) throw new TargetUnavailableError(name, new Error('this process stops'));
    const pool = new Pool({
      Client: GuardedClient,
      connectionString: this.get(name).url,
      max: this.config.workerConcurrency + SPARE_CONNECTIONS,
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      idleTimeoutMillis: IDLE_MS,
      application_name: 'workflow-import-queue',
      keepAlive: true,
    });
    pool.on('error', (error) =>
      this.logger.warn({
        message: 'a connection to a target database broke',
        connection: name,
        error: error.message,
      }),
    );
    this.pools.set(name, pool);
    return pool;
  }
}

/** The network, the driver or a time limit ended the work, not an answer of PostgreSQL. */
function isBroken(error: unknown, isConnected: boolean): boolean {
  if (error instanceof TimeoutError) return true;
  const { code } = error as { code?: unknown };
  const isAnswer = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && code !== 'EPIPE';
  return !isAnswer && (!isConnected || isDatabaseUnavailable(error));
}
