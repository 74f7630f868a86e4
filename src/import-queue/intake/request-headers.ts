import type { IncomingHttpHeaders } from 'node:http';
import { DomainError } from '../../platform/domain-error.js';
import { isSupportedEncoding } from './body-decoder.js';
import { ACCEPTED_MEDIA_TYPES, unsupportedContentEncoding, unsupportedMediaType } from './intake.errors.js';

const ACCEPTED: ReadonlySet<string> = new Set(ACCEPTED_MEDIA_TYPES);

/** What the headers of a CreateBatch call say about its body. */
export interface BodyHeaders {
  /** Lower case; `identity` when there is none. */
  encoding: string;
  idempotencyKey: string | null;
  /** See `declaredBytes`. */
  declaredBytes: number;
}

/** @throws DomainError 415 for a media type or encoding we do not read, 400 for an unusable Idempotency-Key */
export function readBodyHeaders(headers: IncomingHttpHeaders): BodyHeaders {
  const contentType = headers['content-type'] ?? '';
  const mediaType = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (mediaType !== '' && !ACCEPTED.has(mediaType)) throw unsupportedMediaType(contentType);

  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase() || 'identity';
  if (!isSupportedEncoding(encoding)) throw unsupportedContentEncoding(encoding);

  return {
    encoding,
    idempotencyKey: readIdempotencyKey(headers['idempotency-key']),
    declaredBytes: declaredBytes(headers),
  };
}

/**
 * How long the body is to be, by its own account: what is too long need not arrive to be refused. 0 where that tells
 * nothing: it is sent in chunks, or is encoded, and limits count what is decoded.
 */
export function declaredBytes(headers: IncomingHttpHeaders): number {
  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase() || 'identity';
  return encoding === 'identity' ? Number(headers['content-length'] ?? 0) : 0;
}

function readIdempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new DomainError(
    400,
    'invalid_idempotency_key',
    'The Idempotency-Key cannot be used',
    'An Idempotency-Key has 1 to 255 visible ASCII characters.',
    {
      errors: [
        {
          parameter: 'Idempotency-Key',
          code: 'invalid_idempotency_key',
          message: 'must be 1 to 255 visible ASCII characters',
        },
      ],
    },
  );
}
