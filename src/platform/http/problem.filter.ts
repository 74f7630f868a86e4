import { randomUUID } from 'node:crypto';
import { type ArgumentsHost, Catch, type ExceptionFilter, Logger, NotFoundException } from '@nestjs/common';
import type { Express, Request, Response } from 'express';
import type { DomainError } from '../domain-error.js';
import { httpErrors } from './http.errors.js';
import { type Problem, problemJson, toProblem } from './problem.js';

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
