import type { Client } from 'pg';
import type { Permission } from '../../src/auth/principal.js';
import type { BatchStatus } from '../../src/batches/batch-state.js';
import type { RecordStatus } from '../../src/records/record-status.js';

export interface RecordToInsert {
  line: number;
  status: RecordStatus;
  payload: string;
  operation?: string;
  reference?: string;
  error?: { code: string; message: string; pointer?: string };
  /** All errors, if there are several; the first is `error`. */
  errors?: { code: string; message: string; pointer: string | null }[];
  row?: number;
}

export interface StoredBatch {
  status: BatchStatus;
  records: RecordToInsert[];
  fileName?: string;
  importProcessId?: number;
  creationPath?: string;
  createdBy?: string;
  retryOf?: number;
  failureReason?: string;
  chunkSize?: number;
  startedAt?: Date;
  finishedAt?: Date;
}

/** Stores an import process of one version; answers its id. */
export async function storeImportProcess(client: Client, name: string): Promise<number> {
  const { rows } = await client.query(
    `INSERT INTO import_process (name, status, current_version) VALUES ($1, 'active', 1) RETURNING import_process_id`,
    [name],
  );
  const id = Number(rows[0].import_process_id);
  await client.query(
    `INSERT INTO import_process_version (import_process_id, version, name, target, created_by)
     VALUES ($1, 1, $2, '{"kind": "workflow", "workflow": "none"}', 'test')`,
    [id, name],
  );
  return id;
}

/** Stores an API key as `POST /API/ApiKeys` would. */
export async function storeApiKey(
  client: Client,
  key: string,
  permissions: readonly Permission[],
  importProcessIds: number[] | null = null,
): Promise<number> {
  const { rows } = await client.query(
    `INSERT INTO api_key (name, key_hash, key_hint, permissions, import_process_ids, created_by)
     VALUES ('nightly import', sha256(convert_to($1, 'UTF8')), left($1, 5), $2, $3, 'test') RETURNING api_key_id`,
    [key, permissions, importProcessIds],
  );
  return Number(rows[0].api_key_id);
}

const ENDED: readonly BatchStatus[] = ['completed', 'completed_with_errors', 'failed', 'canceled'];
const PASS_2 = ['succeeded', 'failed', 'skipped', 'canceled', 'unknown'] as const;
const EFFECTS = ['created', 'updated', 'unchanged'] as const;

/** Stores a batch as intake and processing would have left it: records, chunks and counts agree. */
export async function insertBatch(
  client: Client,
  importProcessId: number,
  batch: StoredBatch,
): Promise<number> {
  const { records } = batch;
  const ended = ENDED.includes(batch.status);
  const size = batch.chunkSize ?? 1000;
  const chunks = Array.from({ length: Math.ceil(records.length / size) }, (_, index) =>
    records.slice(index * size, (index + 1) * size),
  );
  const count = (of: RecordToInsert[], status: string) =>
    of.filter((record) => record.status === status).length;
  const effects = (of: RecordToInsert[], operation: string) =>
    of.filter((record) => record.operation === operation).length;
  const outcomeCounts = (of: RecordToInsert[]) => [
    ...PASS_2.map((status) => count(of, status)),
    ...EFFECTS.map((operation) => effects(of, operation)),
  ];
  const { rows } = await client.query(
    `INSERT INTO import_queue_batch (file_name, import_process_id, import_process_version, creation_path, status,
       failure_reason, total_count, invalid_count, chunk_count, retry_of, created_by, started_at, finished_at,
       succeeded_count, failed_count, skipped_count, canceled_count, unknown_count, created_count, updated_count,
       unchanged_count)
     VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
     RETURNING workflow_import_queue_batch_id AS id`,
    [
      batch.fileName ?? 'people.jsonl',
      importProcessId,
      batch.creationPath ?? 'IMPORT_QUEUE_API:LH',
      batch.status,
      batch.failureReason ?? null,
      records.length,
      count(records, 'invalid'),
      chunks.length,
      batch.retryOf ?? null,
      batch.createdBy ?? 'api-key:1',
      batch.startedAt ?? null,
      batch.finishedAt ?? null,
      ...(ended ? outcomeCounts(records) : new Array<null>(8).fill(null)),
    ],
  );
  const id = Number(rows[0].id);
  for (const [index, chunk] of chunks.entries()) {
    const done = !chunk.some((record) => record.status === 'pending');
    await client.query(
      `INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line,
         record_count, invalid_count, state, done_at, succeeded_count, failed_count, skipped_count, canceled_count,
         unknown_count, created_count, updated_count, unchanged_count)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
      [
        id,
        index + 1,
        chunk[0]!.line,
        chunk.at(-1)!.line,
        chunk.length,
        count(chunk, 'invalid'),
        done ? 'done' : 'pending',
        done ? new Date() : null,
        ...outcomeCounts(chunk),
      ],
    );
    await storeRecords(client, id, chunk);
  }
  return id;
}

/** The letters of outcomes, by operation. */
const OUTCOMES: Readonly<Record<string, string>> = {
  created: 'c',
  updated: 'u',
  unchanged: 'n',
  rejected: 'f',
};

/** A processed record is stored in two rows if it has an operation, and otherwise in one, as versions before 0.2.0 did. */
async function storeRecords(client: Client, batchId: number, records: RecordToInsert[]): Promise<void> {
  const processed = records.filter(({ operation }) => operation !== undefined);
  const column = (of: (record: RecordToInsert) => unknown) => records.map(of);
  const inLine = (record: RecordToInsert): Partial<RecordToInsert> =>
    record.operation === undefined ? record : { status: 'pending' };
  await client.query(
    `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, attempts, status, reference,
       error_code, error_message, error_pointer, errors, row_number, payload)
     SELECT $1, line, attempts, status, reference, code, message, pointer, errors::jsonb, row, payload
     FROM unnest($2::int[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
       $9::text[], $10::int[], $11::text[])
       AS r (line, attempts, status, reference, code, message, pointer, errors, row, payload)`,
    [
      batchId,
      column((record) => record.line),
      column((record) => (['pending', 'invalid'].includes(inLine(record).status ?? '') ? 0 : 1)),
      column((record) => inLine(record).status),
      column((record) => inLine(record).reference ?? null),
      column((record) => inLine(record).error?.code ?? null),
      column((record) => inLine(record).error?.message ?? null),
      column((record) => inLine(record).error?.pointer ?? null),
      column((record) => errorsOf(inLine(record))),
      column((record) => record.row ?? null),
      column((record) => record.payload),
    ],
  );
  await client.query(
    `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome, reference, error_code,
       error_message, error_pointer, errors)
     SELECT $1, line, outcome, reference, code, message, pointer, errors::jsonb
     FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
       AS o (line, outcome, reference, code, message, pointer, errors)`,
    [
      batchId,
      processed.map(({ line }) => line),
      processed.map(({ operation }) => OUTCOMES[operation!]),
      processed.map(({ reference }) => reference ?? null),
      processed.map(({ error }) => error?.code ?? null),
      processed.map(({ error }) => error?.message ?? null),
      processed.map(({ error }) => error?.pointer ?? null),
      processed.map(errorsOf),
    ],
  );
}

function errorsOf({ errors }: Partial<RecordToInsert>): string | null {
  return errors === undefined ? null : JSON.stringify(errors);
}
