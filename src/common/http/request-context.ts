import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';

const storage = new AsyncLocalStorage<{ requestId: string; request: Request }>();

/** The request the running code works for; `undefined` outside of one. */
export const currentRequestId = (): string | undefined => storage.getStore()?.requestId;
export const currentRequest = (): Request | undefined => storage.getStore()?.request;

/**
 * Gives the request its id: the caller's own X-Request-Id where it is safe to log, so that one id follows a call
 * through several systems, else a new one.
 */
export function requestContext(request: Request, response: Response, next: NextFunction): void {
  const given = request.get('x-request-id');
  const requestId = given !== undefined && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
  response.setHeader('X-Request-Id', requestId);
  storage.run({ requestId, request }, next);
}
