import { HttpException } from '@nestjs/common';
import { isDatabaseUnavailable } from '../database/postgres-errors.js';
import { DomainError, MAX_LISTED_ERRORS, type ProblemDetail } from '../domain-error.js';

/** What an error is to the caller: status, headers and the members of an RFC 9457 problem. */
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

/** Nothing of an error we did not foresee is shown: its message may hold anything. `errorId` finds it in the log. */
export function toProblem(error: unknown, errorId: string): Problem {
  if (error instanceof DomainError) return ofDomainError(error);
  if (error instanceof HttpException && error.getStatus() < 500) return ofHttpException(error);
  if (isDatabaseUnavailable(error)) {
    return {
      status: 503,
      code: 'database_unavailable',
      title: 'The database is not available',
      detail: 'PostgreSQL cannot be reached just now. Nothing was done; send the same request again later.',
      headers: { 'Retry-After': '5' },
    };
  }
  return {
    status: 500,
    code: 'internal_error',
    title: 'Something went wrong here',
    detail: `The fault is ours, and is written to the log. Name this to the operator: ${errorId}`,
    headers: {},
    extensions: { errorId },
  };
}

/** The body of the answer. `type` names the kind of problem and leads nowhere; `instance` is the path asked for. */
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

/** Those the framework throws; ours are domain errors. */
function ofHttpException(error: HttpException): Problem {
  const status = error.getStatus();
  const { code, title } = KINDS[status] ?? { code: 'request_refused', title: 'The request was refused' };
  return { status, code, title, detail: error.message, headers: {} };
}

const KINDS: Readonly<Record<number, { code: string; title: string }>> = {
  400: { code: 'bad_request', title: 'The request is not usable' },
  401: { code: 'authentication_required', title: 'Credentials are needed' },
  403: { code: 'permission_denied', title: 'The credentials lack a permission' },
  404: { code: 'not_found', title: 'There is no such thing' },
  406: { code: 'not_acceptable', title: 'The answer cannot have that form' },
  408: { code: 'request_timeout', title: 'The request took too long' },
  413: { code: 'body_too_large', title: 'The request passes a limit' },
  415: { code: 'unsupported_media_type', title: 'The Content-Type is not accepted' },
  429: { code: 'too_many_requests', title: 'Too many requests' },
};
