import { Client } from 'pg';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import type { DatabaseService } from '../../src/platform/database/database.service.js';
import type {
  ImportRecord,
  PinnedConfiguration,
  RecordOutcome,
  UndoOutcome,
} from '../../src/records/target.js';
import { TableConnections } from '../../src/targets/table/connections.js';
import { TableTarget } from '../../src/targets/table/table.target.js';
import { startDatabaseService } from './test-database-service.js';
import { createEmptyDatabase } from './test-database.js';

export function recordsOf(rows: readonly (object | string)[], firstLine = 1): ImportRecord[] {
  return rows.map((row, index) => ({
    line: firstLine + index,
    payload: typeof row === 'string' ? row : JSON.stringify(row),
  }));
}

/** A table target with a second database on the same server, which is the connection `crm` with the schema `crm`. */
export class TableFixture {
  target: TableTarget;

  private constructor(
    readonly database: DatabaseService,
    readonly connections: TableConnections,
    /** In the second database. */
    readonly client: Client,
    readonly url: string,
    private readonly stop: () => Promise<void>,
  ) {
    this.target = new TableTarget(database, connections);
  }

  static async start(environment: Record<string, string> = {}): Promise<TableFixture> {
    const { database, stop } = await startDatabaseService();
    const other = await createEmptyDatabase();
    const client = new Client({ connectionString: other.url });
    await client.connect();
    await client.query('CREATE SCHEMA crm');
    const config = loadConfig({ TARGET_CRM_URL: other.url, TARGET_CRM_SCHEMAS: 'crm', ...environment });
    const connections = new TableConnections(config, database);
    return new TableFixture(database, connections, client, other.url, async () => {
      await connections.onModuleDestroy();
      await client.end();
      await other.drop();
      await stop();
    });
  }

  /** A process that has not used the connection before. */
  renewTarget(): void {
    this.target = new TableTarget(this.database, this.connections);
  }

  close(): Promise<void> {
    return this.stop();
  }

  async sql<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(text, values)).rows;
  }

  async pinned(target: Record<string, unknown>): Promise<PinnedConfiguration> {
    const configuration = { kind: 'table', connection: 'crm', schema: 'crm', ...target };
    expect(await this.target.validate(configuration, null)).toEqual([]);
    return { target: configuration, recordSchema: null, ...(await this.target.pin(configuration)) };
  }

  async compile(target: Record<string, unknown>) {
    return this.target.compile(await this.pinned(target));
  }

  /** One chunk. @returns the outcomes by line */
  async process(
    target: Record<string, unknown>,
    rows: readonly (object | string)[],
    { batchId = 1, chunkNumber = Math.floor(Math.random() * 1e9) } = {},
  ): Promise<RecordOutcome[]> {
    const compiled = await this.compile(target);
    const chunk = { batchId, chunkNumber, compiled, actor: 'test', keepOrder: () => undefined };
    const outcomes = await this.database.transaction((transaction) =>
      this.target.process(recordsOf(rows), { ...chunk, transaction }),
    );
    return [...outcomes].sort((a, b) => a.line - b.line);
  }

  /** The undo of the batch that `process` ran, as one chunk of another batch; that of an undo goes forward again. */
  async undo(
    target: Record<string, unknown>,
    outcomes: readonly RecordOutcome[],
    { undoneBatchId = 1, batchId = 2, lastLineFirst = true } = {},
  ): Promise<UndoOutcome[]> {
    const compiled = await this.compile(target);
    const inOrder = undoable(outcomes);
    const records = lastLineFirst ? inOrder.reverse() : inOrder;
    const context = { compiled, batchId, chunkNumber: 1, actor: 'test', undoneBatchId };
    return this.database.transaction((transaction) => this.target.undo(records, { ...context, transaction }));
  }

  async previewUndo(target: Record<string, unknown>, outcomes: readonly RecordOutcome[]) {
    const compiled = await this.compile(target);
    return this.target.previewUndo(undoable(outcomes), { compiled, sql: this.database, undoneBatchId: 1 });
  }

  async preview(target: Record<string, unknown>, rows: readonly object[]) {
    const compiled = await this.compile(target);
    const run = await this.target.preview({ compiled, sql: this.database });
    const seen = (await run.lookUp(recordsOf(rows))).foresee(() => true);
    return { seen: seen.sort((a, b) => a.line - b.line), sameThings: run.sameThings };
  }
}

function undoable(outcomes: readonly RecordOutcome[]): ImportRecord[] {
  return outcomes
    .filter(({ operation }) => operation === 'created' || operation === 'updated')
    .map(({ line, reference }) => ({ line, payload: '{}', reference }));
}

/** What happened to each line: its operation, or the code of its error. */
export function results(outcomes: readonly (RecordOutcome | UndoOutcome)[]): string[] {
  return outcomes.map((outcome) =>
    outcome.status === 'failed' ? outcome.error.code : (outcome.operation ?? outcome.status),
  );
}
