import type { Client, Connection } from 'pg';

export interface DescribedColumn {
  name: string;
  /** Its type in PostgreSQL. */
  type: string;
  /** The type of the driver's values. */
  holds: 'number' | 'string' | 'boolean' | 'array' | 'anything' | 'Date' | 'Buffer';
}

interface Field {
  name: string;
  dataTypeID: number;
}

/**
 * Asks PostgreSQL for the result columns of the statement, without running it.
 * @throws DatabaseError if it cannot be planned
 */
export async function describeStatement(client: Client, text: string): Promise<DescribedColumn[]> {
  const fields = await new Promise<Field[]>((resolve, reject) =>
    client.query(new Description(text, resolve, reject)),
  );
  const { rows } = await client.query<{ oid: number; name: string; isArray: boolean }>(
    `SELECT oid::integer AS oid, typname AS name, typcategory = 'A' AS "isArray" FROM pg_type WHERE oid = ANY ($1)`,
    [fields.map(({ dataTypeID }) => dataTypeID)],
  );
  const types = new Map(rows.map((row) => [row.oid, row]));
  return fields.map(({ name, dataTypeID }) => {
    const type = types.get(dataTypeID);
    const typeName = type?.name ?? String(dataTypeID);
    return { name, type: typeName, holds: type?.isArray === true ? 'array' : (HOLDS[typeName] ?? 'string') };
  });
}

/** The types as the application's data source reads them: bigint as a number, numeric as text. */
const HOLDS: Readonly<Record<string, DescribedColumn['holds']>> = {
  int2: 'number',
  int4: 'number',
  int8: 'number',
  float4: 'number',
  float8: 'number',
  oid: 'number',
  bool: 'boolean',
  timestamptz: 'Date',
  timestamp: 'Date',
  date: 'Date',
  bytea: 'Buffer',
  json: 'anything',
  jsonb: 'anything',
  void: 'anything',
};

/** Parse and Describe of the extended protocol, as one query of the driver. */
class Description {
  private fields: Field[] = [];

  constructor(
    private readonly text: string,
    private readonly resolve: (fields: Field[]) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  submit(connection: Connection): void {
    connection.parse({ name: '', text: this.text, types: [] }, true);
    connection.describe({ type: 'S', name: '' }, true);
    connection.sync();
  }

  handleRowDescription({ fields }: { fields: Field[] }): void {
    this.fields = fields;
  }

  /** The driver forgets a query that failed, so `handleReadyForQuery` is not called after it. */
  handleError(error: Error): void {
    this.reject(error);
  }

  handleReadyForQuery(): void {
    this.resolve(this.fields);
  }
}
