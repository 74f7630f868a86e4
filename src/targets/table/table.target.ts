import { Injectable, Logger } from '@nestjs/common';
import { selectUnfinishedOf } from '../../batches/chunks.sql.js';
import { DatabaseService, type Sql } from '../../platform/database/database.service.js';
import { isDatabaseUnavailable } from '../../platform/database/postgres-errors.js';
import { selectInstallationId } from '../../platform/database/installation.js';
import { errorMessage } from '../../platform/errors.js';
import { faultPoint } from '../../platform/instrumentation.js';
import { jsonSchemaProblems } from '../../platform/json/json-schema-problems.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type {
  ChunkContext,
  ConfigurationProblem,
  ImportRecord,
  PinnedConfiguration,
  PreviewContext,
  PreviewRun,
  RecordOutcome,
  RecordTarget,
  TargetConfiguration,
} from '../../records/target.js';
import { selectShape } from './catalog.sql.js';
import { type CompiledTable, compileTable } from './compiled-table.js';
import { TableConnections } from './connections.js';
import {
  createMarks,
  deleteMarks,
  insertMark,
  markTable,
  selectMarked,
  selectOldMarks,
} from './marks.sql.js';
import { TableApplication } from './table-application.js';
import { readConfiguration, type TableConfiguration, tablesOf } from './table-configuration.js';
import { planTable, tableKey, type TableShapes } from './table-plan.js';
import { TablePreview } from './table-preview.js';
import { differences, type TableShape } from './table-shape.js';
import { keepShapes, selectLastShapes, selectShapes } from './table-shapes.sql.js';

const FORGET_EVERY_MS = 10 * 60_000;

/**
 * Writes records into a table of a PostgreSQL database. In the application's own database the effects commit with the
 * chunk. In another one they commit first, together with a mark that holds the outcomes.
 */
@Injectable()
export class TableTarget implements RecordTarget<CompiledTable> {
  readonly kind = 'table';
  private readonly logger = new Logger(TableTarget.name);
  private installation: Promise<string> | undefined;
  /** By connection: its table of marks, which exists. */
  private readonly marks = new Map<string, string>();
  private forgotAt = performance.now();

  constructor(
    private readonly database: DatabaseService,
    private readonly connections: TableConnections,
  ) {}

  async validate(
    target: TargetConfiguration,
    recordSchema: JsonObject | null,
  ): Promise<ConfigurationProblem[]> {
    const problems: ConfigurationProblem[] = [];
    const configuration = readConfiguration(target, problems);
    for (const { pointer, code, message } of recordSchema === null ? [] : jsonSchemaProblems(recordSchema)) {
      problems.push({
        pointer: `/recordSchema${pointer}`,
        code,
        message: `recordSchema${pointer} ${message}`,
      });
    }
    if (configuration === null || !this.mayUse(configuration, problems)) return problems;
    const { connection } = configuration;
    let shapes: TableShapes;
    try {
      shapes = await this.look(configuration);
    } catch (error) {
      const message = `connection "${connection}" cannot be used now: ${errorMessage(error)}`;
      return [...problems, { pointer: '/target/connection', code: 'connection_unusable', message }];
    }
    if (planTable(configuration, shapes, problems) === null) {
      problems.push(...(await this.changesOf(configuration, shapes)));
    }
    return problems;
  }

  /** The version is how the table looks now; while its database is away, how it looked last. */
  async pin(target: TargetConfiguration): Promise<Pick<PinnedConfiguration, 'workflowVersion'>> {
    const configuration = configurationOf(target);
    const { connection } = configuration;
    if (this.connections.find(connection) === undefined) return { workflowVersion: null };
    try {
      const shapes = await this.look(configuration);
      return { workflowVersion: await keepShapes(this.database, connection, configuration, shapes) };
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      const last = await this.lastShapes(configuration);
      if (last === null) throw error;
      return { workflowVersion: last.id };
    }
  }

  async compile({ target, recordSchema, workflowVersion }: PinnedConfiguration): Promise<CompiledTable> {
    const configuration = configurationOf(target);
    const problems: ConfigurationProblem[] = [];
    if (!this.mayUse(configuration, problems)) throw new Error(problems[0]?.message);
    const stored = workflowVersion === null ? null : await selectShapes(this.database, workflowVersion);
    const plan = planTable(configuration, stored ?? (await this.look(configuration)), problems);
    if (plan === null)
      throw new Error(`the table no longer fits: ${problems.map(({ message }) => message).join('; ')}`);
    return compileTable(plan, recordSchema);
  }

  async process(
    records: readonly ImportRecord[],
    context: ChunkContext<CompiledTable>,
  ): Promise<RecordOutcome[]> {
    if (records.length === 0) return [];
    const { compiled, transaction } = context;
    const { connection } = compiled.plan.configuration;
    if (this.connections.isOwn(connection)) return new TableApplication(compiled, transaction).apply(records);
    // On the connection of the chunk: behind a pooler whose connections all run chunks, none is left for a second one.
    await this.forgetOldMarks(connection, transaction);
    const marks = await this.marksOf(connection);
    const chunk = {
      installation: await this.installationId(transaction),
      batchId: context.batchId,
      chunkNumber: context.chunkNumber,
    };
    const outcomes = await this.connections.transaction(connection, async (there) => {
      const marked = await selectMarked(there, marks, chunk);
      const wanted = new Set(records.map(({ line }) => line));
      const known = marked.outcomes.filter(({ line }) => wanted.delete(line));
      const rest = records.filter(({ line }) => wanted.has(line));
      if (rest.length === 0) return known;
      const added = await new TableApplication(compiled, there).apply(rest);
      await insertMark(there, marks, chunk, marked.attempts, added);
      faultPoint('table.before-target-commit');
      return [...known, ...added];
    });
    faultPoint('table.after-target-commit');
    return outcomes;
  }

  preview({ compiled }: PreviewContext<CompiledTable>): Promise<PreviewRun> {
    return Promise.resolve(new TablePreview(compiled, this.connections));
  }

  private mayUse(configuration: TableConfiguration, problems: ConfigurationProblem[]): boolean {
    const connection = this.connections.find(configuration.connection);
    if (connection === undefined) {
      const known = this.connections.names.join(', ') || 'none is configured';
      const message = `connection must be one of the connections of this installation: ${known}`;
      problems.push({ pointer: '/target/connection', code: 'unknown_connection', message });
      return false;
    }
    for (const { name, place } of tablesOf(configuration)) {
      if (connection.schemas.includes(name.schema)) continue;
      const pointer =
        place.length === 1 ? '/target/schema' : `/target/${place.slice(0, -1).join('/')}/schema`;
      const message = `schema must be one that imports may use: ${connection.schemas.join(', ')}`;
      problems.push({ pointer, code: 'unknown_schema', message });
    }
    return problems.every(({ code }) => code !== 'unknown_schema');
  }

  /** All tables that the configuration names, as they are now. */
  private look(configuration: TableConfiguration): Promise<TableShapes> {
    return this.connections.reading(configuration.connection, async (sql) => {
      const shapes: Record<string, TableShape> = {};
      for (const { name } of tablesOf(configuration)) {
        const shape = await selectShape(sql, name);
        if (shape !== null) shapes[tableKey(name)] = shape;
      }
      return shapes;
    });
  }

  private async lastShapes(configuration: TableConfiguration, except: TableShapes | null = null) {
    const names = tablesOf(configuration).map(({ name }) => name);
    return selectLastShapes(this.database, configuration.connection, configuration, names, except);
  }

  /** How the columns differ from the time when a batch last started. */
  private async changesOf(
    configuration: TableConfiguration,
    now: TableShapes,
  ): Promise<ConfigurationProblem[]> {
    const before = (await this.lastShapes(configuration, now))?.shapes ?? {};
    return Object.entries(now).flatMap(([key, shape]) => {
      const former = before[key];
      if (former === undefined) return [];
      const [schema, table] = JSON.parse(key) as [string, string];
      return differences(former, shape).map(({ column, message }) => ({
        pointer: '/target/table',
        code: 'table_changed',
        message: `table ${schema}.${table} has changed: the column ${JSON.stringify(column)} ${message}`,
      }));
    });
  }

  private installationId(sql: Sql): Promise<string> {
    this.installation ??= selectInstallationId(sql).catch((error: unknown) => {
      this.installation = undefined;
      throw error;
    });
    return this.installation;
  }

  private async marksOf(connection: string): Promise<string> {
    const known = this.marks.get(connection);
    if (known !== undefined) return known;
    const table = markTable(this.connections.find(connection)?.schemas[0] ?? 'public');
    await this.connections.transaction(connection, (there) => createMarks(there, table));
    this.marks.set(connection, table);
    return table;
  }

  /** A mark is needed only until the chunk has committed here. */
  private async forgetOldMarks(connection: string, sql: Sql): Promise<void> {
    const now = performance.now();
    if (now - this.forgotAt < FORGET_EVERY_MS) return;
    this.forgotAt = now;
    try {
      await this.sweepMarks(connection, sql);
    } catch (error) {
      this.logger.warn({ message: 'old marks were not deleted', connection, error: errorMessage(error) });
    }
  }

  private async sweepMarks(connection: string, sql: Sql): Promise<void> {
    const [marks, installation] = [await this.marksOf(connection), await this.installationId(sql)];
    await this.connections.transaction(connection, async (there) => {
      const old = await selectOldMarks(there, marks, installation);
      const unfinished = new Set((await selectUnfinishedOf(sql, old)).map((each) => JSON.stringify(each)));
      const done = old.filter(
        ({ batchId, chunkNumber }) => !unfinished.has(JSON.stringify({ batchId, chunkNumber })),
      );
      await deleteMarks(there, marks, installation, done);
    });
  }
}

function configurationOf(target: TargetConfiguration): TableConfiguration {
  const problems: ConfigurationProblem[] = [];
  const configuration = readConfiguration(target, problems);
  if (configuration === null) throw new Error('the stored configuration is not that of a table target');
  return configuration;
}
