import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';

const storage = new AsyncLocalStorage<{ requestId: string; request: Request; hasCommitted: boolean }>();

/** The request the running code works for; `undefined` outside of one. */
export const currentRequestId = (): string | undefined => storage.getStore()?.requestId;
export const currentRequest = (): Request | undefined => storage.getStore()?.request;

/** Whether the request has changed anything in the database: an answer must no longer say that nothing was done. */
export const hasCommitted = (): boolean => storage.getStore()?.hasCommitted ?? false;

export function noteCommit(): void {
  const context = storage.getStore();
  if (context !== undefined) context.hasCommitted = true;
}

/**
 * Gives the request its id: the caller's own X-Request-Id where it is safe to log, so that one id follows a call
 * through several systems, else a new one.
 */
export function requestContext(request: Request, response: Response, next: NextFunction): void {
  const given = request.get('x-request-id');
  const requestId = given !== undefined && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
  response.setHeader('X-Request-Id', requestId);
  storage.run({ requestId, request, hasCommitted: false }, next);
}

const logger = new Logger('Http');

/** One line per request, without its query (it holds mail addresses), headers or body. Probes only when debugging. */
export function accessLog(request: Request, response: Response, next: NextFunction): void {
  const start = performance.now();
  const path = request.originalUrl.split('?', 1)[0] ?? '';
  // Bound, since the socket's events do not belong to the request whose id the line shall carry.
  const write = AsyncResource.bind(() => {
    const milliseconds = Math.round(performance.now() - start);
    const { principal } = request as { principal?: { id: string } };
    const outcome = response.writableFinished ? String(response.statusCode) : 'aborted';
    const level = path.startsWith('/health/') ? 'debug' : 'log';
    logger[level](`${request.method} ${path} ${outcome} ${milliseconds} ms`, {
      method: request.method,
      path,
      status: response.writableFinished ? response.statusCode : null,
      milliseconds,
      ...(principal && { principal: principal.id }),
    });
  });
  response.once('close', write);
  next();
}
