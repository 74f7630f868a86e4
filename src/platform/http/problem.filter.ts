import { randomUUID } from 'node:crypto';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
  NotFoundException,
} from '@nestjs/common';
import type { Express, Request, Response } from 'express';
import { CommitInDoubtError } from '../database/database.service.js';
import { isDatabaseUnavailable } from '../database/postgres-errors.js';
import { type DefinedError, DomainError, MAX_LISTED_ERRORS, type ProblemDetail } from '../errors.js';
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

/** Shows an error to a person. The pages provide one; a process without pages always answers with problem details. */
export interface ErrorPage {
  /** HTML. */
  render(problem: Problem): string;
}

export const ERROR_PAGE = Symbol('ERROR_PAGE');

function routeNotFound(method: string, path: string): DomainError {
  return httpErrors.route_not_found(
    `There is no route ${method} ${path}. The API is at /API/WorkflowImportQueue; /docs lists all routes.`,
  );
}

function methodNotAllowed(method: string, path: string, allowed: readonly string[]): DomainError {
  const allow = allowed.join(', ');
  return httpErrors.method_not_allowed(`${path} does not support ${method}, only ${allow}.`, {
    headers: { Allow: allow },
  });
}

/** The part of Express's router that lists its routes. */
interface Layer {
  route?: { methods: Record<string, boolean>; path: string };
  match(path: string): boolean;
}

/** Methods that have a route at the path, in upper case; empty if there are none. Called only after a 404. */
function allowedMethods(express: Express, path: string): string[] {
  const methods = new Set<string>();
  for (const layer of express.router.stack as unknown as Layer[]) {
    if (layer.route === undefined || !layer.match(path)) continue;
    for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}

/** Paths for programs. They answer with problem details regardless of `Accept`. */
const FOR_PROGRAMS = /^\/(API|docs|health|metrics|mcp|assets|queues)(\/|$)/i;

/**
 * Turns every error of every route, guard, pipe and middleware into RFC 9457 problem details. No other code does. A
 * browser that shows the answer to a person, who may have mistyped an address, gets a page instead.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  /** @param page `null`: this process has no pages */
  constructor(private readonly page: ErrorPage | null = null) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    // Without the query, because it contains mail addresses.
    const path = request.originalUrl.split('?', 1)[0] ?? '';
    const error = isUnknownRoute(thrown) ? this.unknownRoute(request, path) : thrown;

    const errorId = randomUUID();
    const problem = toProblem(error, errorId);
    const { status, code } = problem;
    const where = { method: request.method, path, status, code };
    if (response.socket === null || response.socket.destroyed) {
      this.logger.debug({ message: `The client went away: ${String(error)}`, ...where });
      return;
    }
    if (status === 500) this.logger.error(error, { errorId, ...where });
    else if (status > 500) this.logger.warn(`${problem.detail} (${String(error)})`, where);
    else this.logger.debug(problem.detail, where);

    if (response.headersSent) {
      // Half an answer must not look like a complete one, so the client sees the connection break.
      response.destroy();
      return;
    }
    for (const name of response.getHeaderNames()) {
      if (DESCRIBES_BODY.test(name)) response.removeHeader(name);
    }
    response.locals.problemCode = code;
    response.status(status).set(problem.headers);
    const page = this.page !== null && isForPeople(request, path) ? this.page.render(problem) : null;
    const type = page === null ? 'application/problem+json' : 'text/html; charset=utf-8';
    response.set({ 'Content-Type': type, 'Cache-Control': 'no-store' });
    // If the connection closed now, as a client may have asked, it would be reset and the answer lost with it.
    if (!request.complete) response.shouldKeepAlive = problem.headers['Connection'] !== 'close';
    const body = Buffer.from(page ?? JSON.stringify(problemJson(problem, path)));
    // Compression would otherwise send it in chunks, whose end a refused client may not see.
    response.setHeader('Content-Length', body.length);
    response.end(body);
  }

  private unknownRoute(request: Request, path: string): Error {
    const allowed = allowedMethods(request.app as Express, path);
    return allowed.length > 0
      ? methodNotAllowed(request.method, path, allowed)
      : routeNotFound(request.method, path);
  }
}

/** Programs accept anything, or JSON; a browser that shows a page prefers HTML. */
function isForPeople(request: Request, path: string): boolean {
  return !FOR_PROGRAMS.test(path) && request.accepts(['json', 'html']) === 'html';
}

/** Headers that a handler may have set for a body that it then did not send. */
const DESCRIBES_BODY = /^(content-(type|length|encoding|disposition)|etag|last-modified|link|location)$/;

/** Nest's own error for a URL without a route; handlers throw domain errors. */
function isUnknownRoute(error: unknown): boolean {
  return error instanceof NotFoundException && /^Cannot [A-Z-]+ \//.test(error.message);
}
