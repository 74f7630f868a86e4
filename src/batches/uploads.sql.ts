import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { BatchStatus } from './batch-state.js';
import type { UploadFindings } from './entities.js';

/*
 * upload, upload_part. An upload exists before its batch, so that a file can arrive in several requests. Confirming or
 * abandoning the batch deletes both. An upload that never became a batch is deleted after a day.
 *
 * `reading_at` marks an upload that is being read again in the background. The reader renews it; a mark that is older
 * than `STALE_SECONDS` belongs to a process that has died.
 */

const STALE_SECONDS = 60;
const HOURS_WITHOUT_BATCH = 24;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export async function insertUpload(
  sql: Sql,
  { id, createdBy, fileName }: { id: string; createdBy: string; fileName: string },
): Promise<void> {
  await sql.query('INSERT INTO upload (upload_id, created_by, file_name) VALUES ($1, $2, $3)', [
    id,
    createdBy,
    fileName,
  ]);
}

export interface UploadPart {
  partNumber: number;
  /** Bytes of the file, before compression. */
  size: number;
  compressed: boolean;
  bytes: Buffer;
}

/** Stores a part. Two calls with the same part store it once. */
export async function insertUploadPart(sql: Sql, uploadId: string, part: UploadPart): Promise<void> {
  await sql.query(
    `WITH stored AS (
       INSERT INTO upload_part (upload_id, part_number, size, compressed, bytes) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT DO NOTHING RETURNING size
     )
     UPDATE upload SET size = upload.size + stored.size FROM stored WHERE upload_id = $1`,
    [uploadId, part.partNumber, part.size, part.compressed, part.bytes],
  );
}

export async function selectUploadPart(
  sql: Sql,
  uploadId: string,
  partNumber: number,
): Promise<UploadPart | undefined> {
  const { rows } = await sql.query<UploadPart>(
    `SELECT part_number AS "partNumber", size, compressed, bytes
       FROM upload_part WHERE upload_id = $1 AND part_number = $2`,
    [uploadId, partNumber],
  );
  return rows[0];
}

/** The stored file of a batch. */
export interface BatchUpload {
  id: string;
  size: number;
  /** Whether it is being read again in the background. */
  isBeingRead: boolean;
  rowsRead: number;
  readingFailure: string | null;
}

/** `null` if the bytes of the batch are not stored, or no longer. */
export async function selectUploadOfBatch(sql: Sql, batchId: number): Promise<BatchUpload | null> {
  const { rows } = await sql.query<BatchUpload>(
    `SELECT upload_id AS id, size, reading_at IS NOT NULL AS "isBeingRead", rows_read AS "rowsRead",
            reading_failure AS "readingFailure"
       FROM upload WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  return rows[0] ?? null;
}

/** A file that a page received. */
export interface ArrivedFile {
  id: string;
  size: number;
  fileName: string;
  /** The batch that was made from it. */
  batchId: number | null;
}

/** A file of this principal that has arrived as a whole; `null` if there is none. */
export async function selectArrivedFile(
  sql: Sql,
  uploadId: string,
  createdBy: string,
): Promise<ArrivedFile | null> {
  if (!UUID.test(uploadId)) return null;
  const { rows } = await sql.query<ArrivedFile>(
    `SELECT upload_id AS id, size, file_name AS "fileName", workflow_import_queue_batch_id AS "batchId"
       FROM upload
      WHERE upload_id = $1 AND created_by = $2
        AND NOT EXISTS (SELECT FROM upload_resource r
                         WHERE r.upload_id = $1 AND (r.route <> 'Page' OR r.length <> upload.size))`,
    [uploadId, createdBy],
  );
  return rows[0] ?? null;
}

/** Returns `false` if a batch was made from the file already. Requests can append nothing to it any more. */
export async function linkUpload(
  transaction: Transaction,
  uploadId: string,
  batchId: number,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `UPDATE upload SET workflow_import_queue_batch_id = $2
      WHERE upload_id = $1 AND workflow_import_queue_batch_id IS NULL`,
    [uploadId, batchId],
  );
  await transaction.query('UPDATE upload_resource SET batch_id = $2 WHERE upload_id = $1', [
    uploadId,
    batchId,
  ]);
  return rowCount === 1;
}

/** Deletes a file, unless a batch was made from it. */
export async function deleteUnlinkedUpload(sql: Sql, uploadId: string): Promise<void> {
  await sql.query('DELETE FROM upload WHERE upload_id = $1 AND workflow_import_queue_batch_id IS NULL', [
    uploadId,
  ]);
}

/** Deletes the bytes of a batch that was confirmed or abandoned. */
export async function deleteUploadOfBatch(sql: Sql, batchId: number): Promise<void> {
  await sql.query('DELETE FROM upload WHERE workflow_import_queue_batch_id = $1', [batchId]);
}

/** Deletes files that never became a batch; at most `limit`. */
export async function deleteUploadsWithoutBatch(sql: Sql, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM upload WHERE upload_id IN (
       SELECT upload_id FROM upload
        WHERE workflow_import_queue_batch_id IS NULL
          AND created_at < now() - interval '${HOURS_WITHOUT_BATCH} hours'
        LIMIT $1)`,
    [limit],
  );
  return rowCount;
}

/** Marks the file as being read in the background. */
export async function markReading(
  transaction: Transaction,
  uploadId: string,
  { reading, readBy }: { reading: object; readBy: string },
): Promise<void> {
  await transaction.query(
    `UPDATE upload SET reading = $2, read_by = $3, reading_at = now(), rows_read = 0, reading_failure = NULL
      WHERE upload_id = $1`,
    [uploadId, JSON.stringify(reading), readBy],
  );
}

/** A sign of life of the reading, with the rows so far. */
export async function renewReading(sql: Sql, uploadId: string, rowsRead: number): Promise<void> {
  await sql.query(
    'UPDATE upload SET reading_at = now(), rows_read = $2 WHERE upload_id = $1 AND reading_at IS NOT NULL',
    [uploadId, rowsRead],
  );
}

/** @param failure why the file could not be read; `null` if it was */
export async function endReading(sql: Sql, uploadId: string, failure: string | null): Promise<void> {
  await sql.query(
    `UPDATE upload SET reading = NULL, read_by = NULL, reading_at = NULL, rows_read = 0, reading_failure = $2
      WHERE upload_id = $1`,
    [uploadId, failure],
  );
}

/** A reading whose process has died. */
export interface LostReading {
  uploadId: string;
  batchId: number;
  size: number;
  reading: JsonObject;
  readBy: string;
}

/** Takes over one reading whose process has died. */
export async function claimLostReading(sql: Sql): Promise<LostReading | null> {
  const { rows } = await sql.query<LostReading>(
    `UPDATE upload SET reading_at = now()
      WHERE upload_id = (SELECT upload_id FROM upload
                          WHERE reading_at < now() - interval '${STALE_SECONDS} seconds'
                            AND workflow_import_queue_batch_id IS NOT NULL
                          ORDER BY reading_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING upload_id AS "uploadId", workflow_import_queue_batch_id AS "batchId", size, reading,
               read_by AS "readBy"`,
  );
  return rows[0] ?? null;
}

/** Locks uploads that were not confirmed within this number of hours, oldest first. */
export async function lockUnconfirmed(
  transaction: Transaction,
  hours: number,
  limit: number,
): Promise<number[]> {
  const { rows } = await transaction.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id
       FROM import_queue_batch
      WHERE status = 'awaiting_confirmation' AND created_at < now() - $1 * interval '1 hour'
      ORDER BY workflow_import_queue_batch_id
      LIMIT $2
        FOR NO KEY UPDATE SKIP LOCKED`,
    [hours, limit],
  );
  return rows.map(({ id }) => id);
}

/** An upload is about to be abandoned this long before it is. */
const WARNED_HOURS = 24;

/**
 * Owes a mail to the user of each upload that is abandoned tomorrow unless someone confirms it, at most `limit`, once per
 * upload. Uploads of keys have no one to tell. Returns how many it owes.
 */
export async function oweMailsOfExpiring(sql: Sql, hours: number, limit: number): Promise<number> {
  if (hours <= WARNED_HOURS) return 0;
  const { rowCount } = await sql.query(
    `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status)
     SELECT 'batch_mail', b.workflow_import_queue_batch_id, 'expiring', u.email, 'pending'
       FROM import_queue_batch b JOIN app_user u ON b.created_by = 'user:' || u.user_id
      WHERE b.status = 'awaiting_confirmation' AND u.disabled_at IS NULL
        AND b.created_at < now() - ($1 - ${WARNED_HOURS}) * interval '1 hour'
        AND b.created_at >= now() - $1 * interval '1 hour'
        AND NOT EXISTS (SELECT FROM outbox o
                         WHERE o.kind = 'batch_mail' AND o.outcome = 'expiring'
                           AND o.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id)
      ORDER BY b.workflow_import_queue_batch_id
      LIMIT $2
     ON CONFLICT (workflow_import_queue_batch_id, outcome, recipient_number)
       WHERE kind = 'batch_mail' AND outcome <> 'paused'
     DO NOTHING`,
    [hours, limit],
  );
  return rowCount;
}

/** The number of uploads of this creator that await confirmation, counted up to the limit. */
export async function countUnconfirmed(sql: Sql, createdBy: string, limit: number): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count
       FROM (SELECT FROM import_queue_batch
              WHERE status = 'awaiting_confirmation' AND created_by = $1 LIMIT $2) unconfirmed`,
    [createdBy, limit],
  );
  return rows[0]?.count ?? 0;
}

/** An upload that arrives in several requests, as its owner finds it. */
export interface UploadResource {
  id: string;
  /** `Page`: the bytes are a file that a page sends; the page makes a batch of it once it has arrived. */
  route: 'CreateBatch' | 'Uploads' | 'Page';
  query: Record<string, string>;
  headers: Record<string, string>;
  length: number | null;
  /** Bytes so far. */
  offset: number;
  ageSeconds: number;
  batchId: number | null;
  answer: JsonObject | null;
}

export async function insertUploadResource(
  sql: Sql,
  {
    id,
    route,
    query,
    headers,
    length,
  }: Pick<UploadResource, 'id' | 'route' | 'query' | 'headers' | 'length'>,
): Promise<void> {
  await sql.query(
    `INSERT INTO upload_resource (upload_id, route, query, headers, length, writer) VALUES ($1, $2, $3, $4, $5, $1)`,
    [id, route, JSON.stringify(query), JSON.stringify(headers), length],
  );
}

/**
 * Takes an upload over for one request: requests that still append to it can append no more, so that the offset stays
 * valid. `null` if this principal has no such upload.
 */
export async function takeUploadResource(
  sql: Sql,
  id: string,
  createdBy: string,
  writer: string,
): Promise<UploadResource | null> {
  const { rowCount } = await sql.query(
    `UPDATE upload_resource r SET writer = $3
       FROM upload u
      WHERE r.upload_id = $1 AND u.upload_id = r.upload_id AND u.created_by = $2
        AND u.created_at > now() - interval '${HOURS_WITHOUT_BATCH} hours'`,
    [id, createdBy, writer],
  );
  if (rowCount === 0) return null;
  // The update may have waited for a part that was being stored. Only a later statement sees the size with that part.
  const { rows } = await sql.query<UploadResource>(
    `SELECT r.upload_id AS id, route, query, headers, length, u.size AS "offset", batch_id AS "batchId", answer,
            extract(epoch FROM now() - u.created_at)::integer AS "ageSeconds"
       FROM upload_resource r JOIN upload u USING (upload_id)
      WHERE upload_id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/**
 * Appends bytes: writes one part, which replaces a shorter one with the same number. Returns `false`, and writes
 * nothing, if another request has taken the upload over.
 */
export async function appendUploadPart(
  sql: Sql,
  { id, writer, offset }: { id: string; writer: string; offset: number },
  part: UploadPart,
  size: number,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `WITH mine AS MATERIALIZED (
       SELECT upload_id FROM upload_resource WHERE upload_id = $1 AND writer = $2 AND batch_id IS NULL FOR UPDATE
     ), grown AS (
       UPDATE upload u SET size = $4 FROM mine WHERE u.upload_id = mine.upload_id AND u.size = $3
       RETURNING u.upload_id
     )
     INSERT INTO upload_part (upload_id, part_number, size, compressed, bytes)
     SELECT upload_id, $5, $6, $7, $8 FROM grown
     ON CONFLICT (upload_id, part_number)
       DO UPDATE SET size = EXCLUDED.size, compressed = EXCLUDED.compressed, bytes = EXCLUDED.bytes`,
    [id, writer, offset, size, part.partNumber, part.size, part.compressed, part.bytes],
  );
  return rowCount === 1;
}

/** Records the announced length. */
export async function setUploadLength(sql: Sql, id: string, length: number): Promise<void> {
  await sql.query('UPDATE upload_resource SET length = $2 WHERE upload_id = $1', [id, length]);
}

/** Seals an upload in the transaction that makes its batch. Returns `false` if it is sealed already. */
export async function sealUpload(
  transaction: Transaction,
  id: string,
  batchId: number,
  answer: JsonObject | null,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    'UPDATE upload_resource SET batch_id = $2, answer = $3 WHERE upload_id = $1 AND batch_id IS NULL',
    [id, batchId, answer === null ? null : JSON.stringify(answer)],
  );
  if (rowCount === 1) await transaction.query('DELETE FROM upload_part WHERE upload_id = $1', [id]);
  return rowCount === 1;
}

/** The uploads of this principal that are not sealed yet, counted up to the limit. */
export async function countOpenUploadResources(sql: Sql, createdBy: string, limit: number): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count
       FROM (SELECT FROM upload_resource r JOIN upload u USING (upload_id)
              WHERE u.created_by = $1 AND r.batch_id IS NULL LIMIT $2) open`,
    [createdBy, limit],
  );
  return rows[0]?.count ?? 0;
}

/** An upload that will be replaced by a copy of itself. */
export interface StoredUpload {
  status: BatchStatus;
  fileName: string;
  upload: UploadFindings | null;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
}

/** Locks the batch of an upload. */
export async function lockUpload(
  transaction: Transaction,
  batchId: number,
): Promise<StoredUpload | undefined> {
  const { rows } = await transaction.query<StoredUpload>(
    `SELECT status, file_name AS "fileName", upload, send_success_email_to AS "sendSuccessEmailTo",
            send_failure_email_to AS "sendFailureEmailTo"
       FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 FOR UPDATE`,
    [batchId],
  );
  return rows[0];
}
