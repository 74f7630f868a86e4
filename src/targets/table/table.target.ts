import { Injectable, Logger } from '@nestjs/common';
import { selectExpiredOf } from '../../batches/batch-rows.sql.js';
import { selectUnfinishedOf } from '../../batches/chunks.sql.js';
import { DatabaseService, type Sql } from '../../platform/database/database.service.js';
import { selectInstallationId } from '../../platform/database/installation.js';
import { isDatabaseUnavailable } from '../../platform/database/postgres-errors.js';
import { errorMessage } from '../../platform/errors.js';
import { faultPoint } from '../../platform/instrumentation.js';
import { jsonSchemaProblems } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type {
  ChunkContext,
  ConfigurationProblem,
  ImportRecord,
  PinnedConfiguration,
  PreviewContext,
  PreviewedUndo,
  PreviewRun,
  RecordOutcome,
  RecordTarget,
  TargetConfiguration,
  UndoContext,
  UndoOutcome,
  UndoPreviewContext,
} from '../../records/target.js';
import { selectShape } from './catalog.sql.js';
import {
  changeTable,
  createChanges,
  deleteEntries,
  type LoggedChunk,
  selectLoggedBatches,
} from './change-log.sql.js';
import { type CompiledTable, compileTable } from './compiled-table.js';
import { type OtherTransaction, TableConnections } from './connections.js';
import {
  createMarks,
  deleteMarks,
  doesExist,
  markRow,
  markTable,
  readMarked,
  selectMarked,
  selectOldMarks,
} from './marks.sql.js';
import { stageRows, TableApplication, type TableTransaction } from './table-application.js';
import { readConfiguration, type TableConfiguration, tablesOf } from './table-configuration.js';
import { planTable, tableKey, type TableShapes } from './table-plan.js';
import { TablePreview } from './table-preview.js';
import { differences, type TableShape } from './table-shape.js';
import { keepShapes, selectLastShapes, selectShapes } from './table-shapes.sql.js';
import { TableUndo } from './table-undo.js';

const FORGET_EVERY_MS = 10 * 60_000;

type RunningChunk = Pick<ChunkContext<CompiledTable>, 'compiled' | 'transaction' | 'batchId' | 'chunkNumber'>;

/**
 * Writes records into a table of a PostgreSQL database. In the application's own database the effects commit with the
 * chunk. In another one they commit first, together with a mark that holds the outcomes.
 */
@Injectable()
export class TableTarget implements RecordTarget<CompiledTable> {
  readonly kind = 'table';
  private readonly logger = new Logger(TableTarget.name);
  private installation: Promise<string> | undefined;
  /** Our tables in the databases of connections, which exist. */
  private readonly tables = new Set<string>();
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
    const { compiled } = context;
    const log = await this.logOf(compiled, context);
    return this.once(records, context, async (some) => {
      const staged = await stageRows(some, compiled);
      return (transaction) => new TableApplication(compiled.plan, transaction, log).apply(staged);
    });
  }

  canUndo({ plan }: CompiledTable): boolean {
    return plan.configuration.log;
  }

  async undo(records: readonly ImportRecord[], context: UndoContext<CompiledTable>): Promise<UndoOutcome[]> {
    const { compiled, undoneBatchId } = context;
    const log = await this.logOf(compiled, context);
    if (log === null) throw new Error('the import process keeps no log');
    const undo = new TableUndo(compiled.plan, log, undoneBatchId);
    return this.once(records, context, (some) =>
      Promise.resolve((transaction) => undo.apply(transaction, some, log)),
    );
  }

  previewUndo(
    records: readonly ImportRecord[],
    context: UndoPreviewContext<CompiledTable>,
  ): Promise<PreviewedUndo[]> {
    return this.readLog(context, (sql, undo) => undo.preview(sql, records));
  }

  undoKeys(
    records: readonly ImportRecord[],
    context: UndoPreviewContext<CompiledTable>,
  ): Promise<ReadonlyMap<number, readonly string[]>> {
    return this.readLog(context, (sql, undo) => undo.keys(sql, records));
  }

  private async readLog<Result>(
    { compiled, sql, undoneBatchId }: UndoPreviewContext<CompiledTable>,
    read: (sql: Sql, undo: TableUndo) => Promise<Result>,
  ): Promise<Result> {
    const { connection } = compiled.plan.configuration;
    const log = { table: await this.changesOn(connection), installation: await this.installationId(sql) };
    const undo = new TableUndo(compiled.plan, log, undoneBatchId);
    if (this.connections.isOwn(connection)) return read(sql, undo);
    return this.connections.transaction(connection, (there) => read(there, undo), { mode: 'READ ONLY' });
  }

  /**
   * Runs work of a chunk once: in the own database in the transaction of the chunk, in another one together with a mark.
   * @param read prepares records; what it answers writes them, and answers one outcome per record
   */
  private async once<Outcome extends RecordOutcome | UndoOutcome>(
    records: readonly ImportRecord[],
    { compiled, transaction, batchId, chunkNumber }: RunningChunk,
    read: (
      records: readonly ImportRecord[],
    ) => Promise<(transaction: TableTransaction) => Promise<Outcome[]>>,
  ): Promise<Outcome[]> {
    if (records.length === 0) return [];
    const { connection } = compiled.plan.configuration;
    const writeAll = await read(records);
    // On the connection of the chunk: behind a pooler whose connections all run chunks, none is left for a second one.
    await this.forgetOld(connection, transaction);
    if (this.connections.isOwn(connection)) return writeAll(transaction);
    const marks = await this.marksOf(connection);
    const chunk = { installation: await this.installationId(transaction), batchId, chunkNumber };
    const writeRest = async (there: OtherTransaction) => {
      const marked = readMarked(there.opened);
      const before = new Map(marked.outcomes.map((outcome) => [outcome.line, outcome as Outcome]));
      const known = before.size === 0 ? [] : records.flatMap(({ line }) => before.get(line) ?? []);
      if (known.length === records.length) return known;
      const write =
        known.length === 0 ? writeAll : await read(records.filter(({ line }) => !before.has(line)));
      const added = await write(there);
      there.beforeCommit(markRow(marks, chunk, marked.attempts, added));
      faultPoint('table.before-target-commit');
      return [...known, ...added];
    };
    const opening = selectMarked(marks, chunk);
    const outcomes = await this.connections.transaction(connection, writeRest, { opening });
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

  private marksOf(connection: string): Promise<string> {
    return this.made(connection, markTable, createMarks);
  }

  /** The log of the changes, which exists. */
  private changesOn(connection: string): Promise<string> {
    return this.made(connection, changeTable, createChanges);
  }

  /** The name of a table of ours in the first schema of the connection, after making sure that it exists. */
  private async made(
    connection: string,
    named: (schema: string) => string,
    create: (sql: Sql, table: string) => Promise<void>,
  ): Promise<string> {
    const table = named(this.connections.find(connection)?.schemas[0] ?? 'public');
    const key = JSON.stringify([connection, table]);
    if (this.tables.has(key)) return table;
    if (this.connections.isOwn(connection)) await this.database.transaction((sql) => create(sql, table));
    else await this.connections.transaction(connection, (there) => create(there, table));
    this.tables.add(key);
    return table;
  }

  /** `null` if the import process keeps no log. */
  private async logOf(
    { plan }: CompiledTable,
    { batchId, actor, transaction }: Pick<ChunkContext, 'batchId' | 'actor' | 'transaction'>,
  ): Promise<LoggedChunk | null> {
    const { connection, log } = plan.configuration;
    if (!log) return null;
    const table = await this.changesOn(connection);
    return { table, installation: await this.installationId(transaction), batchId, actor };
  }

  /** A mark is needed only until the chunk has committed here, and a log only while its batch can be undone. */
  private async forgetOld(connection: string, sql: Sql): Promise<void> {
    const now = performance.now();
    if (now - this.forgotAt < FORGET_EVERY_MS) return;
    this.forgotAt = now;
    try {
      if (!this.connections.isOwn(connection)) await this.sweepMarks(connection, sql);
      await this.sweepChanges(connection, sql);
    } catch (error) {
      this.logger.warn({ message: 'old marks were not deleted', connection, error: errorMessage(error) });
    }
  }

  private async sweepChanges(connection: string, sql: Sql): Promise<void> {
    const installation = await this.installationId(sql);
    const table = changeTable(this.connections.find(connection)?.schemas[0] ?? 'public');
    const sweep = async (there: Sql) => {
      if (!(await doesExist(there, table))) return;
      const logged = await selectLoggedBatches(there, { table, installation });
      const over = await selectExpiredOf(sql, logged);
      if (over.length > 0) await deleteEntries(there, { table, installation }, over);
    };
    if (this.connections.isOwn(connection)) await sweep(sql);
    else await this.connections.transaction(connection, sweep);
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
