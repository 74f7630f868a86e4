import { isUtf8 } from 'node:buffer';
import { DomainError } from '../../common/domain.error.js';
import { invalidBody, missingBody } from '../../common/http/invalid-request.js';
import type { JsonObject } from '../../common/json.js';
import { MAX_NESTING } from '../../import-queue/intake/json-lines-reader.js';
import { findTooDeepNesting } from '../../import-queue/intake/nesting.js';

/** A row as it was sent: parsed, and as text, which has the digits that a parsed number may have lost. */
export interface SentRow {
  row: JsonObject;
  raw: string;
}

/**
 * A body as the one line of a batch would be read; here it may have several lines.
 * @param body bytes; anything else was not sent as JSON
 * @throws DomainError 400 `missing_body`, `malformed_json`, `invalid_body`
 */
export function readSentRow(body: unknown): SentRow {
  if (!Buffer.isBuffer(body)) throw missingBody();
  if (!isUtf8(body)) throw malformed('it is not UTF-8');
  const raw = new TextDecoder().decode(body);
  const row = parse(raw);
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw invalidBody([{ pointer: '', code: 'not_an_object', message: 'the body must be a JSON object' }]);
  }
  if (findTooDeepNesting(raw, MAX_NESTING) !== -1) {
    const message = `objects and arrays are nested deeper than ${MAX_NESTING} levels`;
    throw invalidBody([{ pointer: '', code: 'nesting_too_deep', message }]);
  }
  return { row: row as JsonObject, raw };
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw malformed((error as Error).message, error);
  }
}

function malformed(reason: string, cause?: unknown): DomainError {
  const detail = `The body cannot be read as JSON: ${reason}`;
  return new DomainError(400, 'malformed_json', 'The body is not JSON', detail, { cause });
}
