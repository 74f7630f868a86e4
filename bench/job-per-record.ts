import Bull from 'bull';
import { Pool, type PoolClient } from 'pg';
import { databaseUrl, REDIS } from './support.js';

const CONCURRENCY = 16;

/**
 * The usual design: one Bull job per record, with a transaction of single-row statements. Answers the seconds from the
 * first job to the last, without the time to queue them.
 */
export async function processJobPerRecord(database: string, count: number): Promise<number> {
  const pool = new Pool({ connectionString: databaseUrl(database), max: CONCURRENCY });
  const queue = new Bull<{ line: number }>('records', REDIS, { prefix: `${database}${Date.now()}` });
  for (let first = 1; first <= count; first += 1000) {
    const lines = Array.from({ length: Math.min(1000, count - first + 1) }, (_, index) => first + index);
    await queue.addBulk(lines.map((line) => ({ data: { line }, opts: { removeOnComplete: true } })));
  }
  const started = performance.now();
  let done = 0;
  await new Promise<void>((resolve, reject) => {
    const work = queue.process(CONCURRENCY, async ({ data }) => {
      await processRecord(pool, data.line);
      done += 1;
      if (done === count) resolve();
    });
    work.catch(reject);
    queue.on('failed', (_, error) => reject(error));
  });
  const seconds = (performance.now() - started) / 1000;
  await queue.obliterate({ force: true });
  await queue.close();
  await pool.end();
  return seconds;
}

async function processRecord(pool: Pool, line: number): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await perform(client, line);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

async function perform(client: PoolClient, line: number): Promise<void> {
  const { rows } = await client.query(
    `SELECT payload FROM import_queue_record
      WHERE workflow_import_queue_batch_id = 1 AND line_number = $1 AND status = 'pending' FOR UPDATE`,
    [line],
  );
  const attributes = JSON.parse(rows[0].payload) as Record<string, string>;
  const identifiers = [
    [':UniqueId', attributes[':UniqueId']!],
    [':Email', attributes[':Email']!.toLowerCase()],
  ];
  for (const [name, value] of identifiers) {
    const found = await client.query(
      'SELECT workflow_instance_id FROM workflow_identifier WHERE workflow_id = 1 AND name = $1 AND value = $2',
      [name, value],
    );
    if (found.rows.length > 0) throw new Error('it is there already');
  }
  const created = await client.query(
    `INSERT INTO workflow_instance (workflow_id, status, step, attributes)
     VALUES (1, 'completed_successfully', 'Application', $1) RETURNING workflow_instance_id AS id`,
    [attributes],
  );
  const { id } = created.rows[0];
  for (const [name, value] of identifiers) {
    await client.query(
      `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
       VALUES (1, $1, $2, 0, $3)`,
      [name, value, id],
    );
  }
  const changes = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, [null, value]]),
  );
  await client.query(
    `INSERT INTO workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)
     VALUES ($1, 1, $2, 'Grant', 'bench', $3)`,
    [id, line, changes],
  );
  await client.query(
    `UPDATE import_queue_record SET status = 'succeeded', operation = 'created', reference = $2, attempts = attempts + 1
      WHERE workflow_import_queue_batch_id = 1 AND line_number = $1`,
    [line, String(id)],
  );
}
