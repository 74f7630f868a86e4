import { Injectable } from '@nestjs/common';
import type { Sql } from '../../platform/database/database.service.js';
import { defineErrors, errorMessage } from '../../platform/errors.js';
import { selectShape, selectTables } from './catalog.sql.js';
import { TableConnections } from './connections.js';
import type { ColumnShape, TableName, TableShape, UniqueShape } from './table-shape.js';

/** A connection that import processes can name. */
export interface DescribedConnection {
  name: string;
  schemas: readonly string[];
}

export interface OfferedColumn {
  name: string;
  type: string;
  /** Every new row needs a value. */
  required: boolean;
  /** Whether rows can have it; if not, the database generates it, or its type is not supported. */
  writable: boolean;
  options: readonly string[] | null;
}

/** A table, with what a person has to know to choose its key and columns. */
export interface DescribedTable extends TableName {
  connection: string;
  columns: OfferedColumn[];
  /** The constraints that can be keys. */
  keys: UniqueShape[];
  /** The columns of the likeliest key; `null` if there is none. */
  proposedKey: readonly string[] | null;
}

/** What a column refers to, so that a row can name the thing that it means by another column, such as its name. */
export interface ReferencedTable extends TableName {
  /** The column that the foreign key refers to. */
  take: string;
  /** The columns by which a row may name it: each has a unique constraint of its own. */
  columns: readonly string[];
}

/** Lists the tables that imports may fill, for routes and pages. */
@Injectable()
export class TableCatalog {
  constructor(private readonly connections: TableConnections) {}

  list(): DescribedConnection[] {
    return this.connections.names.map((name) => ({
      name,
      schemas: this.connections.find(name)?.schemas ?? [],
    }));
  }

  /** @throws DomainError 404 `connection_not_found`, 503 `connection_unusable` */
  tables(connection: string): Promise<TableName[]> {
    const schemas = this.schemasOf(connection);
    return this.read(connection, (sql) => selectTables(sql, schemas));
  }

  /** @throws DomainError 404 `connection_not_found` or `table_not_found`, 503 `connection_unusable` */
  async table(connection: string, name: TableName): Promise<DescribedTable> {
    const isOffered = this.schemasOf(connection).includes(name.schema);
    const shape = isOffered ? await this.read(connection, (sql) => selectShape(sql, name)) : null;
    if (shape === null) {
      throw tableErrors.table_not_found(
        `Imports may fill no table ${name.schema}.${name.table} of the connection "${connection}". GET /API/WorkflowImportQueue/Connections/${connection}/Tables lists those that they may fill.`,
      );
    }
    const { schema, table } = name;
    const keys = shape.uniques.filter(({ columns }) =>
      columns.every((each) => isWritable(columnOf(shape, each))),
    );
    return {
      connection,
      schema,
      table,
      columns: shape.columns.map(describedColumn),
      keys,
      proposedKey: proposedKey(shape, keys),
    };
  }

  /**
   * The tables that columns refer to by a foreign key of their own, by column; only those that imports may read.
   * @throws DomainError 404 `connection_not_found`, 503 `connection_unusable`
   */
  references(connection: string, name: TableName): Promise<Map<string, ReferencedTable>> {
    const schemas = this.schemasOf(connection);
    return this.read(connection, async (sql) => {
      const found = new Map<string, ReferencedTable>();
      const shape = schemas.includes(name.schema) ? await selectShape(sql, name) : null;
      for (const { columns, schema, table, references } of shape?.foreignKeys ?? []) {
        const [column] = columns;
        const [take] = references;
        if (columns.length !== 1 || column === undefined || take === undefined) continue;
        if (!schemas.includes(schema)) continue;
        const other = await selectShape(sql, { schema, table });
        if (other === null) continue;
        const alone = other.uniques.filter((each) => each.columns.length === 1);
        const ways = alone.flatMap((each) => each.columns).filter((each) => each !== take);
        found.set(column, { schema, table, take, columns: [...new Set(ways)] });
      }
      return found;
    });
  }

  private schemasOf(connection: string): readonly string[] {
    const found = this.connections.find(connection);
    if (found !== undefined) return found.schemas;
    throw tableErrors.connection_not_found(
      `There is no connection "${connection}". TARGET_<NAME>_URL in the environment of the service makes one.`,
    );
  }

  private async read<Result>(connection: string, work: (sql: Sql) => Promise<Result>): Promise<Result> {
    try {
      return await this.connections.reading(connection, work);
    } catch (error) {
      throw tableErrors.connection_unusable(
        `The connection "${connection}" cannot be used: ${errorMessage(error)}. Check its URL and its database.`,
        { cause: error },
      );
    }
  }
}

function columnOf(shape: TableShape, name: string): ColumnShape | undefined {
  return shape.columns.find((column) => column.name === name);
}

function isWritable(column: ColumnShape | undefined): boolean {
  return column !== undefined && !column.isGenerated && column.family !== null;
}

/** The likeliest is one that every row has, and that the database does not assign. */
function proposedKey(shape: TableShape, keys: readonly UniqueShape[]): readonly string[] | null {
  const isGiven = (name: string) => columnOf(shape, name)?.defaultValue === null;
  const isFilled = (name: string) => columnOf(shape, name)?.notNull === true;
  const given = keys.filter(({ columns }) => columns.every(isGiven));
  return (given.find(({ columns }) => columns.every(isFilled)) ?? given[0] ?? keys[0])?.columns ?? null;
}

function describedColumn(column: ColumnShape): OfferedColumn {
  const { name, type, notNull, defaultValue, isGenerated, options } = column;
  return {
    name,
    type,
    required: notNull && defaultValue === null && !isGenerated,
    writable: isWritable(column),
    options,
  };
}

/** Errors of the routes about the tables that imports may fill. */
const tableErrors = defineErrors({
  connection_not_found: { status: 404, title: 'There is no such connection' },
  table_not_found: { status: 404, title: 'There is no such table' },
  connection_unusable: { status: 503, title: 'The database of the connection cannot be used' },
});
