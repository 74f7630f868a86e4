import { HttpException } from '@nestjs/common';
import { CommitInDoubtError } from '../database/database.service.js';
import { isDatabaseUnavailable } from '../database/postgres-errors.js';
import { type DefinedError, DomainError, MAX_LISTED_ERRORS, type ProblemDetail } from '../domain-error.js';
import { hasCommitted } from '../instrumentation.js';
import { httpErrors } from './http.errors.js';

/** An error as the caller sees it: status, headers and the members of an RFC 9457 problem. */
export interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  headers: Readonly<Record<string, string>>;
  errors?: readonly ProblemDetail[];
  errorCount?: number;
  limit?: number;
  extensions?: Readonly<Record<string, unknown>>;
}

/**
 * Shows no part of an unforeseen error, because its message may contain anything. `errorId` identifies it in the log.
 */
export function toProblem(error: unknown, errorId: string): Problem {
  if (error instanceof DomainError) return ofDomainError(error);
  if (error instanceof HttpException && error.getStatus() < 500) return ofHttpException(error);
  if (error instanceof CommitInDoubtError) {
    return ofDomainError(
      httpErrors.outcome_unknown(
        'The connection to PostgreSQL broke while the change was committed: it may have been stored. Look before you send the request again. A request with an Idempotency-Key can be repeated safely.',
        { headers: { 'Retry-After': '5' } },
      ),
    );
  }
  if (isDatabaseUnavailable(error) && hasCommitted()) {
    return ofDomainError(
      httpErrors.stored_without_answer(
        'The change was stored, but PostgreSQL cannot be reached to read the answer. Do not send the request again, except with the same Idempotency-Key.',
        { headers: { 'Retry-After': '5' } },
      ),
    );
  }
  if (isDatabaseUnavailable(error)) {
    return ofDomainError(
      httpErrors.database_unavailable(
        'PostgreSQL cannot be reached at the moment. Nothing was done; send the same request again later.',
        { headers: { 'Retry-After': '5' } },
      ),
    );
  }
  return ofDomainError(
    httpErrors.internal_error(
      `The request failed because of a fault in this service, which is in its log. Give the operator this id: ${errorId}`,
      { extensions: { errorId } },
    ),
  );
}

/**
 * The body of the answer. `type` identifies the kind of problem and is not an address; `instance` is the requested
 * path.
 */
export function problemJson(problem: Problem, instance: string): Record<string, unknown> {
  const { status, code, title, detail, errors, errorCount, limit, extensions } = problem;
  return {
    type: `urn:workflow-import-queue:problem:${code}`,
    title,
    status,
    detail,
    instance,
    code,
    ...(errors && {
      errors: errors.slice(0, MAX_LISTED_ERRORS),
      errorCount: errorCount ?? errors.length,
    }),
    ...(limit !== undefined && { limit }),
    ...extensions,
  };
}

function ofDomainError(error: DomainError): Problem {
  const { status, code, title, message, options } = error;
  const { errors, errorCount, limit, extensions, headers = {} } = options;
  return {
    status,
    code,
    title,
    detail: message,
    headers,
    ...(errors && { errors }),
    ...(errorCount !== undefined && { errorCount }),
    ...(limit !== undefined && { limit }),
    ...(extensions && { extensions }),
  };
}

/** Errors that the framework throws; our own are domain errors. */
function ofHttpException(error: HttpException): Problem {
  const status = error.getStatus();
  const { code, title } = KINDS[status] ?? { code: 'request_refused', title: 'The request was refused' };
  return { status, code, title, detail: error.message, headers: {} };
}

const KINDS: Readonly<Record<number, DefinedError>> = {
  400: httpErrors.bad_request,
  404: httpErrors.not_found,
  406: httpErrors.not_acceptable,
  408: httpErrors.request_timeout,
  413: httpErrors.body_too_large,
  415: httpErrors.unsupported_media_type,
  429: httpErrors.too_many_requests,
};
