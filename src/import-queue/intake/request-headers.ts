import type { IncomingHttpHeaders } from 'node:http';
import {
  invalidIdempotencyKey,
  unsupportedContentEncoding,
  unsupportedMediaType,
} from '../import-queue.errors.js';
import { CONTENT_ENCODINGS, isSupportedEncoding } from './body-decoder.js';

/** Media types that a JSON Lines body may have; the default of curl is among them. */
export const ACCEPTED_MEDIA_TYPES = [
  'application/jsonl',
  'application/x-ndjson',
  'application/ndjson',
  'application/json',
  'text/plain',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
] as const;
const ACCEPTED: ReadonlySet<string> = new Set(ACCEPTED_MEDIA_TYPES);

/** What the headers of a CreateBatch call state about its body. */
export interface BodyHeaders {
  /** Lower case; `identity` if there is none. */
  encoding: string;
  idempotencyKey: string | null;
  /** See `declaredBytes`. */
  declaredBytes: number;
}

/** @throws DomainError 415 for an unsupported media type or encoding, 400 for an invalid Idempotency-Key */
export function readBodyHeaders(headers: IncomingHttpHeaders): BodyHeaders {
  const contentType = headers['content-type'] ?? '';
  const mediaType = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (mediaType !== '' && !ACCEPTED.has(mediaType)) {
    const accepted = ACCEPTED_MEDIA_TYPES.join(', ');
    const advice = `Send JSON Lines as application/jsonl (or one of: ${accepted}).`;
    throw unsupportedMediaType(contentType, advice, accepted);
  }

  const encoding = encodingOf(headers);
  if (!isSupportedEncoding(encoding)) {
    const accepted = CONTENT_ENCODINGS.join(', ');
    const advice = `Send the body uncompressed, or encoded as one of: ${accepted}.`;
    throw unsupportedContentEncoding(encoding, advice, accepted);
  }

  return {
    encoding,
    idempotencyKey: readIdempotencyKey(headers['idempotency-key']),
    declaredBytes: declaredBytes(headers),
  };
}

/**
 * The length of the body as its headers state it: a body that is too long can be refused before it arrives. 0 if the
 * headers do not tell, because it is sent in chunks, or is encoded while limits count decoded bytes.
 */
export function declaredBytes(headers: IncomingHttpHeaders): number {
  return encodingOf(headers) === 'identity' ? Number(headers['content-length'] ?? 0) : 0;
}

function encodingOf(headers: IncomingHttpHeaders): string {
  return (headers['content-encoding'] ?? '').trim().toLowerCase() || 'identity';
}

function readIdempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header !== 'string') throw invalidIdempotencyKey();
  // The header is a structured string, so "k" and k are the same key.
  const key = /^"(?:[^"\\]|\\["\\])*"$/.test(header) ? header.slice(1, -1).replace(/\\(.)/g, '$1') : header;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw invalidIdempotencyKey();
  return key;
}
