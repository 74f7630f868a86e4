import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { ConsoleLogger, Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { currentTraceIds } from '../tracing.js';
import { LOG_LEVELS, type LogLevel } from '../config/config.js';
import type { Sql } from '../database/database.service.js';

interface RequestContext {
  requestId: string;
  request: Request;
  hasCommitted: boolean;
  /** A batch that the request is making. */
  batchId: number | null;
  beforeCommit: BeforeCommit | null;
}

/** @param batchId the batch that the transaction makes, if it makes one */
type BeforeCommit = (transaction: Sql, batchId: number | null) => Promise<void>;

const storage = new AsyncLocalStorage<RequestContext>();

/** The id of the current request; `undefined` outside a request. */
export const currentRequestId = (): string | undefined => storage.getStore()?.requestId;
export const currentRequest = (): Request | undefined => storage.getStore()?.request;

/** Whether the request has changed anything in the database: an answer must no longer claim that nothing was done. */
export const hasCommitted = (): boolean => storage.getStore()?.hasCommitted ?? false;

export function noteCommit(): void {
  const context = storage.getStore();
  if (context !== undefined) Object.assign(context, { hasCommitted: true, beforeCommit: null });
}

/** Runs in the next transaction of the request that writes, right before its COMMIT; `null` takes it back. */
export function beforeNextCommit(work: BeforeCommit | null): void {
  const context = storage.getStore();
  if (context !== undefined) context.beforeCommit = work;
}

export async function runBeforeCommit(transaction: Sql): Promise<void> {
  const context = storage.getStore();
  await context?.beforeCommit?.(transaction, context.batchId);
}

/** The open transaction of the request makes this batch. */
export function noteBatch(id: number): void {
  const context = storage.getStore();
  if (context !== undefined) context.batchId = id;
}

/**
 * Gives the request its id. The caller's own X-Request-Id is used if it is safe to log, so that one id follows a call
 * through several systems; else a new id is created.
 */
export function requestContext(request: Request, response: Response, next: NextFunction): void {
  const given = request.get('x-request-id');
  const requestId = given !== undefined && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
  response.setHeader('X-Request-Id', requestId);
  storage.run({ requestId, request, hasCommitted: false, batchId: null, beforeCommit: null }, next);
}

const logger = new Logger('Http');

/**
 * Logs one line per request, without its query (which holds mail addresses), headers or body. Logs probes only at debug
 * level.
 */
export function accessLog(request: Request, response: Response, next: NextFunction): void {
  const start = performance.now();
  const path = request.originalUrl.split('?', 1)[0] ?? '';
  // Bound, because the socket's events run outside the request whose id the line must carry.
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
      address: request.ip,
      ...(principal && { principal: principal.id }),
    });
  });
  response.once('close', write);
  next();
}

/** Nest's messages about its own wiring at every start: hundreds of lines without use. */
const WIRING: ReadonlySet<unknown> = new Set(['InstanceLoader', 'RouterExplorer', 'RoutesResolver']);

const SECRETS = ['authorization', 'cookie', 'key', 'password', 'payload', 'secret'];
/** Members in which errors of PostgreSQL and TypeORM quote the values that caused them. */
const QUOTING = ['detail', 'where', 'parameters'];

/**
 * Nest's logger with the request's id in every line: JSON where a program reads it, text on a terminal. Callers must
 * not pass payloads or keys; the names below are a second safeguard.
 */
export class AppLogger extends ConsoleLogger {
  constructor(level: LogLevel, terminal: boolean = process.stdout.isTTY) {
    super({
      json: !terminal,
      colors: terminal,
      logLevels: ['fatal', ...LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1)],
      flattenParams: true,
      redact: [...SECRETS, ...QUOTING],
    });
  }

  private static debugs = false;

  /** All loggers of the process also write debug lines, or no longer do. Answers whether they do. */
  static toggleDebug(): boolean {
    AppLogger.debugs = !AppLogger.debugs;
    return AppLogger.debugs;
  }

  override isLevelEnabled(level: Parameters<ConsoleLogger['isLevelEnabled']>[0]): boolean {
    return (AppLogger.debugs && level === 'debug') || super.isLevelEnabled(level);
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (WIRING.has(rest.at(-1))) super.verbose(message, ...rest);
    else super.log(message, ...rest);
  }

  protected override getJsonLogObject(
    ...parameters: Parameters<ConsoleLogger['getJsonLogObject']>
  ): ReturnType<ConsoleLogger['getJsonLogObject']> {
    const requestId = currentRequestId();
    const entry = super.getJsonLogObject(...parameters);
    return { ...entry, ...(requestId !== undefined && { requestId }), ...currentTraceIds() };
  }

  protected override formatContext(context: string): string {
    const requestId = currentRequestId();
    return super.formatContext(requestId === undefined ? context : `${context} ${requestId}`.trim());
  }
}
