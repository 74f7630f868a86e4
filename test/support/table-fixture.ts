import { Client } from 'pg';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import type { DatabaseService } from '../../src/platform/database/database.service.js';
import type { ImportRecord, PinnedConfiguration, RecordOutcome } from '../../src/records/target.js';
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
  readonly target: TableTarget;

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
    chunkNumber = Math.floor(Math.random() * 1e9),
  ): Promise<RecordOutcome[]> {
    const compiled = await this.compile(target);
    const chunk = { batchId: 1, chunkNumber, compiled, actor: 'test', keepOrder: () => undefined };
    const outcomes = await this.database.transaction((transaction) =>
      this.target.process(recordsOf(rows), { ...chunk, transaction }),
    );
    return [...outcomes].sort((a, b) => a.line - b.line);
  }

  async preview(target: Record<string, unknown>, rows: readonly object[]) {
    const compiled = await this.compile(target);
    const run = await this.target.preview({ compiled, sql: this.database });
    const seen = await run.chunk(recordsOf(rows), () => true);
    return { seen: seen.sort((a, b) => a.line - b.line), sameThings: run.sameThings };
  }
}

/** What happened to each line: its operation, or the code of its error. */
export function results(outcomes: readonly RecordOutcome[]): string[] {
  return outcomes.map((outcome) =>
    outcome.status === 'failed' ? outcome.error.code : (outcome.operation ?? outcome.status),
  );
}
