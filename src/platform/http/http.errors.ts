import { defineErrors, type DomainError, MAX_LISTED_ERRORS, type ProblemDetail } from '../errors.js';

/** Refusals that any route may answer, and codes that several features share. */
export const httpErrors = defineErrors({
  malformed_request: { status: 400, title: 'The request is not valid HTTP' },
  missing_host: { status: 400, title: 'The header Host is missing' },
  bad_request: { status: 400, title: 'The request is not valid' },
  unknown_parameter: { status: 400, title: 'The parameters are not valid' },
  repeated_parameter: { status: 400, title: 'The parameters are not valid' },
  missing_parameter: { status: 400, title: 'The parameters are not valid' },
  invalid_parameter: { status: 400, title: 'The parameters are not valid' },
  invalid_parameters: { status: 400, title: 'The parameters are not valid' },
  invalid_cursor: { status: 400, title: 'The cursor is not valid' },
  missing_body: { status: 400, title: 'The body is missing' },
  invalid_body: { status: 400, title: 'The body is not valid' },
  malformed_json: { status: 400, title: 'The body is not JSON' },
  not_found: { status: 404, title: 'Not found' },
  route_not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The route does not support this method' },
  not_acceptable: { status: 406, title: 'The answer is not available in the requested form' },
  request_timeout: { status: 408, title: 'The request took too long' },
  body_too_slow: { status: 408, title: 'The body arrives too slowly' },
  state_conflict: { status: 409, title: 'The current state does not allow this' },
  version_conflict: { status: 409, title: 'The stored version has changed' },
  precondition_failed: { status: 412, title: 'The stored version differs from the one in If-Match' },
  body_too_large: { status: 413, title: 'The request exceeds a limit' },
  chunk_extensions_too_large: { status: 413, title: 'The request exceeds a limit' },
  unsupported_media_type: { status: 415, title: 'The Content-Type is not supported' },
  unsupported_charset: { status: 415, title: 'The charset is not supported' },
  unsupported_content_encoding: { status: 415, title: 'The Content-Encoding is not supported' },
  range_not_satisfiable: { status: 416, title: 'The file does not have these bytes' },
  unknown_expectation: { status: 417, title: 'The expectation cannot be met' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The request exceeds a limit' },
  internal_error: { status: 500, title: 'Internal error' },
  unsupported_transfer_encoding: { status: 501, title: 'The Transfer-Encoding is not supported' },
  database_unavailable: { status: 503, title: 'The database is not available' },
  outcome_unknown: { status: 503, title: 'The outcome is not known' },
  stored_without_answer: { status: 503, title: 'The change was stored, but cannot be shown' },
});

/** The most mistakes that the `detail` repeats for people. */
const MAX_SENTENCES = 10;

/**
 * The codes for a refused query. Mistyped and repeated names must not go unnoticed: if the query has one, its code
 * becomes the code of the answer, in this order, regardless of other mistakes.
 */
const PARAMETER_CODES = [
  'unknown_parameter',
  'repeated_parameter',
  'missing_parameter',
  'invalid_parameter',
] as const;
const ALWAYS_REPORTED = 2;

/** A 400 error that names all mistakes in the parameters at once. */
export function invalidParameters(errors: readonly ProblemDetail[]): DomainError {
  const sentences = errors.slice(0, MAX_SENTENCES).map(({ message }) => message);
  return httpErrors[parametersCode(errors)](`Nothing was done: ${sentences.join('. ')}.`, {
    errors: errors.slice(0, MAX_LISTED_ERRORS),
    errorCount: errors.length,
  });
}

function parametersCode(errors: readonly ProblemDetail[]) {
  const found = PARAMETER_CODES.filter((code) => errors.some((error) => error.code === code));
  const [first = 'invalid_parameters'] = found;
  const isDecisive =
    found.length === 1 || PARAMETER_CODES.slice(0, ALWAYS_REPORTED).some((code) => code === first);
  return isDecisive ? first : 'invalid_parameters';
}

export function invalidBody(errors: readonly ProblemDetail[]): DomainError {
  const mistakes = errors.length === 1 ? 'The JSON has 1 mistake' : `The JSON has ${errors.length} mistakes`;
  return httpErrors.invalid_body(`Nothing was done. ${mistakes}; "errors" lists each.`, {
    errors: errors.slice(0, MAX_LISTED_ERRORS),
    errorCount: errors.length,
  });
}

export function missingBody(): DomainError {
  return httpErrors.missing_body('Send a JSON object with "Content-Type: application/json".');
}

export function malformedJson(reason: string, cause?: unknown): DomainError {
  return httpErrors.malformed_json(`The body cannot be read as JSON: ${reason}`, { cause });
}
