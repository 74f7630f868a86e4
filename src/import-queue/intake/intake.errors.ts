import { DomainError, type ProblemDetail } from '../../platform/domain-error.js';
import { CONTENT_ENCODINGS } from './body-decoder.js';

/** Media types a JSON Lines body may be labelled with; curl's default is among them. */
export const ACCEPTED_MEDIA_TYPES = [
  'application/jsonl',
  'application/x-ndjson',
  'application/ndjson',
  'application/json',
  'text/plain',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
] as const;

export function unsupportedMediaType(found: string): DomainError {
  const accepted = ACCEPTED_MEDIA_TYPES.join(', ');
  return new DomainError(
    415,
    'unsupported_media_type',
    'The Content-Type is not accepted',
    `Content-Type ${JSON.stringify(found)} is not accepted. Send JSON Lines as application/jsonl (or one of: ${accepted}).`,
    { headers: { 'Accept-Post': accepted } },
  );
}

export function unsupportedContentEncoding(found: string): DomainError {
  const accepted = CONTENT_ENCODINGS.join(', ');
  return new DomainError(
    415,
    'unsupported_content_encoding',
    'The Content-Encoding is not accepted',
    `Content-Encoding ${JSON.stringify(found)} is not accepted. Send the body as it is, or encoded as one of: ${accepted}.`,
    { headers: { 'Accept-Encoding': accepted } },
  );
}

export function undecodableBody(cause: Error): DomainError {
  return new DomainError(
    400,
    'undecodable_body',
    'The body cannot be decoded',
    `${cause.message}. Nothing was stored.`,
    { cause },
  );
}

export function bodyTooSlow(pace: { receiveIdleMs: number; minBodyBytesPerSecond: number }): DomainError {
  return new DomainError(
    408,
    'body_too_slow',
    'The body arrives too slowly',
    `Nothing arrived for ${pace.receiveIdleMs / 1000} s, or less than ${pace.minBodyBytesPerSecond} bytes a second. Nothing was stored; send it again over a better connection, or in smaller batches.`,
    { limit: pace.minBodyBytesPerSecond, headers: { Connection: 'close' } },
  );
}

export function decompressionRatioExceeded(limit: number): DomainError {
  return new DomainError(
    413,
    'decompression_ratio_exceeded',
    'The request passes a limit',
    `The body becomes more than ${limit} times as large when it is decoded. Send it less compressed, or as it is. Nothing was stored.`,
    { limit },
  );
}

export function bodyTooLarge(limit: number): DomainError {
  return tooLarge('body_too_large', `The body is larger than ${limit} bytes (decoded).`, limit);
}

export function lineTooLong(line: number, limit: number): DomainError {
  const message = `line ${line} is longer than ${limit} bytes`;
  return tooLarge('line_too_long', `Line ${line} is longer than ${limit} bytes.`, limit, [
    { line, code: 'line_too_long', message },
  ]);
}

export function tooManyRecords(limit: number): DomainError {
  return tooLarge('too_many_records', `The body holds more than ${limit} records.`, limit);
}

function tooLarge(code: string, sentence: string, limit: number, errors?: ProblemDetail[]): DomainError {
  return new DomainError(
    413,
    code,
    'The request passes a limit',
    `${sentence} Split it into several batches. Nothing was stored.`,
    { limit, ...(errors && { errors }) },
  );
}
