import { defineErrors, type DomainError, type ProblemDetail } from '../platform/errors.js';
import { httpErrors } from '../platform/http/http.errors.js';

/** Refusals of the routes that receive, preview and change batches. */
export const importQueueErrors = defineErrors({
  rate_limit_exceeded: { status: 429, title: 'Too many batches in too short a time' },
  too_many_uploads: { status: 503, title: 'Too many bodies are being received' },
  too_many_uploads_of_key: { status: 429, title: 'Too many bodies of one key are being received' },
  too_many_records_today: { status: 429, title: 'Too many records within a day' },
  too_many_event_streams: { status: 429, title: 'Too many event streams are open' },
  too_many_unconfirmed_uploads: { status: 503, title: 'Too many uploads await confirmation' },
  too_many_waiting_batches: { status: 503, title: 'Too many batches have not ended yet' },
  undecodable_body: { status: 400, title: 'The body cannot be decoded' },
  decompression_ratio_exceeded: { status: 413, title: 'The request exceeds a limit' },
  line_too_long: { status: 413, title: 'The request exceeds a limit' },
  too_many_records: { status: 413, title: 'The request exceeds a limit' },
  malformed_multipart: { status: 400, title: 'The multipart body is damaged' },
  file_missing: { status: 400, title: 'The request contains no file' },
  unexpected_file: { status: 400, title: 'The request contains more than one file' },
  draft_too_large: { status: 413, title: 'The request exceeds a limit' },
  started_file_not_found: { status: 404, title: 'The file is no longer here' },
  upload_not_found: { status: 404, title: 'The upload does not exist' },
  invalid_upload_request: { status: 400, title: 'The request does not fit the upload' },
  inconsistent_upload_length: { status: 400, title: 'The lengths of the upload contradict each other' },
  upload_offset_mismatch: { status: 409, title: 'The offset is not that of the upload' },
  preview_not_supported: { status: 409, title: 'This import process has no preview' },
  too_many_records_to_preview: { status: 409, title: 'The batch is too large for a preview' },
  already_undone: { status: 409, title: 'The batch was undone already' },
  undo_not_supported: { status: 409, title: 'This import process has no undo' },
});

const retryAfter = (seconds: number) => ({ 'Retry-After': String(seconds) });

export function tooManyRequests(
  rate: { limit: number; seconds: number },
  headers: Readonly<Record<string, string>>,
): DomainError {
  return importQueueErrors.rate_limit_exceeded(
    `This key may start ${rate.limit} batches a minute. Nothing was stored; send the same call again in ${rate.seconds} s, or put more rows into one batch.`,
    { limit: rate.limit, headers: { ...headers, ...retryAfter(rate.seconds) } },
  );
}

export function tooManyUploads(limit: number): DomainError {
  return importQueueErrors.too_many_uploads(
    `${limit} bodies are being received, and this one waited too long for its turn. Nothing was stored; send the same call again later.`,
    { limit, headers: retryAfter(5) },
  );
}

export function tooManyUploadsOfKey(limit: number): DomainError {
  return importQueueErrors.too_many_uploads_of_key(
    `${limit} bodies of this key or user are being received. Nothing was stored; send the same call again when one of them has ended.`,
    { limit, headers: retryAfter(5) },
  );
}

export function tooManyRecordsToday({ limit, seconds }: { limit: number; seconds: number }): DomainError {
  return importQueueErrors.too_many_records_today(
    `This key or user may send ${limit} records a day (RECORDS_PER_KEY_PER_DAY). Nothing was stored; send the same call again in ${seconds} s.`,
    { limit, headers: retryAfter(seconds) },
  );
}

export function tooManyEventStreams(limit: number): DomainError {
  return importQueueErrors.too_many_event_streams(
    `${limit} event streams of this key or user are open. Close one of them, or poll the batch.`,
    { limit, headers: retryAfter(5) },
  );
}

export function tooManyUnconfirmedUploads(limit: number): DomainError {
  return importQueueErrors.too_many_unconfirmed_uploads(
    `${limit} uploads of this key or user await confirmation. Confirm or abandon some of them. Nothing was stored.`,
    { limit, headers: retryAfter(30) },
  );
}

/** @param ofOneKey the limit is not reached, but the rest of it is kept for others */
export function tooManyWaitingBatches(limit: number, ofOneKey = false): DomainError {
  const reason = ofOneKey
    ? `So many batches of this key or user have not ended that the rest of the ${limit} that may wait is kept for others.`
    : `${limit} batches have not ended yet, and no more are accepted until some have.`;
  return importQueueErrors.too_many_waiting_batches(
    `${reason} Nothing was stored; send the same call again later.`,
    { limit, headers: retryAfter(30) },
  );
}

/** @param accepted media types, for `Accept-Post` */
export function unsupportedMediaType(found: string, advice: string, accepted: string): DomainError {
  return httpErrors.unsupported_media_type(
    `Content-Type ${JSON.stringify(found)} is not supported. ${advice}`,
    { headers: { 'Accept-Post': accepted } },
  );
}

/** @param accepted encodings, for `Accept-Encoding` */
export function unsupportedContentEncoding(found: string, advice: string, accepted: string): DomainError {
  return httpErrors.unsupported_content_encoding(
    `Content-Encoding ${JSON.stringify(found)} is not supported. ${advice}`,
    { headers: { 'Accept-Encoding': accepted } },
  );
}

export function undecodableBody(cause: Error): DomainError {
  return importQueueErrors.undecodable_body(`${cause.message}. Nothing was stored.`, { cause });
}

export function bodyTooSlow(pace: { receiveIdleMs: number; minBodyBytesPerSecond: number }): DomainError {
  return httpErrors.body_too_slow(
    `Nothing arrived for ${pace.receiveIdleMs / 1000} s, or less than ${pace.minBodyBytesPerSecond} bytes a second. Nothing was stored; send it again over a better connection, or in smaller batches.`,
    { limit: pace.minBodyBytesPerSecond, headers: { Connection: 'close' } },
  );
}

export function decompressionRatioExceeded(limit: number): DomainError {
  return importQueueErrors.decompression_ratio_exceeded(
    `The decoded body is more than ${limit} times as large as what was sent. Send it less compressed, or uncompressed. Nothing was stored.`,
    { limit },
  );
}

export function bodyTooLarge(limit: number): DomainError {
  return httpErrors.body_too_large(`The decoded body is larger than ${limit} bytes. ${SPLIT_IT}`, { limit });
}

export function lineTooLong(line: number, limit: number): DomainError {
  const code = 'line_too_long';
  const errors: ProblemDetail[] = [{ line, code, message: `line ${line} is longer than ${limit} bytes` }];
  return importQueueErrors[code](`Line ${line} is longer than ${limit} bytes. Nothing was stored.`, {
    limit,
    errors,
  });
}

export function tooManyRecords(limit: number): DomainError {
  return importQueueErrors.too_many_records(`The body has more than ${limit} records. ${SPLIT_IT}`, {
    limit,
  });
}

const SPLIT_IT = 'Split it into several batches. Nothing was stored.';

export function malformedMultipart(reason: string, cause?: unknown): DomainError {
  return importQueueErrors.malformed_multipart(
    `The body cannot be read as multipart/form-data: ${reason}. Nothing was stored.`,
    { cause },
  );
}

export function fileMissing(): DomainError {
  return importQueueErrors.file_missing(
    'The multipart field "file" is missing, or it has no file name. Nothing was stored.',
  );
}

/** @param name `undefined` for a part with a file name but without a name, although busboy's types exclude that */
export function unexpectedFile(name = ''): DomainError {
  return importQueueErrors.unexpected_file(
    `Send one file, in the field "file". There is another one in ${JSON.stringify(name.slice(0, 60))}. Nothing was stored.`,
  );
}

export function uploadNotFound(): DomainError {
  return importQueueErrors.upload_not_found(
    'There is no upload with this token, it is not yours, it was canceled, or it was not completed within 24 hours. Start again.',
  );
}

export function invalidUploadRequest(detail: string): DomainError {
  return importQueueErrors.invalid_upload_request(detail);
}

export function inconsistentUploadLength(stated: number, known: number): DomainError {
  return importQueueErrors.inconsistent_upload_length(
    `The request means ${stated} bytes in all, but the upload has or announced ${known}.`,
    { headers: { 'Upload-Complete': '?0' } },
  );
}

export function uploadOffsetMismatch(expected: number, provided: number | null): DomainError {
  return importQueueErrors.upload_offset_mismatch(`The upload has ${expected} bytes. Continue there.`, {
    headers: { 'Upload-Offset': String(expected), 'Upload-Complete': '?0' },
    extensions: { 'expected-offset': expected, 'provided-offset': provided },
  });
}

export function previewNotSupported(kind: string): DomainError {
  return importQueueErrors.preview_not_supported(
    `A target of kind "${kind}" cannot tell what will happen to a record before it processes it.`,
  );
}

export function alreadyUndone(batchId: number, undoneBy: number): DomainError {
  return importQueueErrors.already_undone(
    `Batch ${undoneBy} undid batch ${batchId}. To restore what batch ${batchId} did, undo batch ${undoneBy}.`,
  );
}

export function undoNotSupported(kind: string): DomainError {
  return importQueueErrors.undo_not_supported(
    kind === 'table'
      ? 'The import process of the batch kept no log of its changes ("log": true of its target), so the batch cannot be undone.'
      : `A target of kind "${kind}" does not record what a record changed, so the batch cannot be undone.`,
  );
}

/** An undo has no rows of its own to send again. */
export function undoCannotBeSentAgain(batchId: number, undoOf: number): DomainError {
  return batchStateConflict(
    `Batch ${batchId} is the undo of batch ${undoOf}. Its records cannot be sent again; undo it to restore what it reverted.`,
  );
}

export function tooManyToPreview(limit: number): DomainError {
  return importQueueErrors.too_many_records_to_preview(
    `A preview covers at most ${limit} records. The batch can be confirmed without one.`,
    { limit },
  );
}

/** The preview of a large batch is being made; how far it is stands in the batch. */
export function beingPreviewed(batchId: number): DomainError {
  return batchStateConflict(
    `The preview of batch ${batchId} is being made. summary.previewProgress of the batch says how far it is.`,
  );
}

/** @param detail why the batch cannot be changed now */
export function batchStateConflict(detail: string, currentStatus?: string): DomainError {
  return httpErrors.state_conflict(
    detail,
    currentStatus === undefined ? {} : { extensions: { currentStatus } },
  );
}

export function draftTooLarge(limit: number): DomainError {
  return importQueueErrors.draft_too_large(
    `A draft has at most ${limit} changes. Nothing of this change was saved. Send the rows that are ready, then go on, or correct the rest in the downloaded file.`,
    { limit },
  );
}

export function notAnUpload(batchId: number, status: string | undefined): DomainError {
  return batchStateConflict(
    `Batch ${batchId} is not an upload that awaits confirmation, so it can no longer be read in another way.`,
    status,
  );
}

export function fileNotStored(batchId: number): DomainError {
  return batchStateConflict(
    `The file of batch ${batchId} is not stored, because it was uploaded before files were kept. Upload it again.`,
    'awaiting_confirmation',
  );
}

/** Confirm, Abandon and Read have to wait until the reading is over. */
export function beingRead(batchId: number): DomainError {
  return batchStateConflict(
    `The file of batch ${batchId} is being read again. Wait until its summary is there.`,
    'awaiting_confirmation',
  );
}

export function startedFileNotFound(): DomainError {
  return importQueueErrors.started_file_not_found(
    'The file was imported already, has not arrived completely, or was sent more than a day ago. Send it again.',
  );
}
