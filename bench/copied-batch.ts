import type { Client } from 'pg';

const ID = 'workflow_import_queue_batch_id';
/** What a batch counts. */
const COUNTS = [
  'total_count',
  'invalid_count',
  'succeeded_count',
  'failed_count',
  'created_count',
  'chunk_count',
];

/**
 * Stores an ended batch that repeats the records of another one, with set-based SQL: a large batch in seconds, without
 * its instances.
 * @returns its id
 */
export async function storeCopies(sql: Client, source: number, copies: number): Promise<number> {
  const { rows } = await sql.query<{ id: number; records: number }>(
    `WITH copy AS MATERIALIZED (
       SELECT jsonb_populate_record(b, jsonb_build_object(
                '${ID}', nextval(pg_get_serial_sequence('import_queue_batch', '${ID}')),
                ${COUNTS.map((count) => `'${count}', ${count} * $2::integer`).join(', ')})) AS batch
         FROM import_queue_batch b WHERE ${ID} = $1
     )
     INSERT INTO import_queue_batch SELECT (batch).* FROM copy
     RETURNING ${ID}::integer AS id, total_count / $2::integer AS records`,
    [source, copies],
  );
  const [batch] = rows;
  if (batch === undefined) throw new Error(`there is no batch ${source}`);
  const { rows: chunks } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM import_queue_chunk WHERE ${ID} = $1`,
    [source],
  );
  const { id, records } = batch;
  const lines = { first_line: records, last_line: records };
  await copyRows('import_queue_chunk', { chunk_number: chunks[0]?.count ?? 0, ...lines });
  await copyRows('import_queue_line', { line_number: records });
  await copyRows('import_queue_outcome', { line_number: records });
  return id;

  /** @param shifted columns with what each further copy adds to them */
  async function copyRows(table: string, shifted: Readonly<Record<string, number>>): Promise<void> {
    const { rows: columns } = await sql.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attname <> '${ID}' ORDER BY attnum`,
      [table],
    );
    const names = columns.map(({ name }) => name);
    const values = names.map((name) =>
      name in shifted ? `t.${name} + copy * ${shifted[name]}` : `t.${name}`,
    );
    await sql.query(
      `INSERT INTO ${table} (${ID}, ${names.join(', ')})
       SELECT $1, ${values.join(', ')} FROM generate_series(0, $3::integer - 1) AS copy, ${table} t WHERE t.${ID} = $2`,
      [id, source, copies],
    );
  }
}
