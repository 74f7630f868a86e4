import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { ConsoleLogger, Logger } from '@nestjs/common';
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { NextFunction, Request, Response } from 'express';
import { LOG_LEVELS, type LogLevel } from './config/config.js';
import type { Sql } from './database/database.service.js';

/*
 * Spans of OpenTelemetry (ADR 39). Without an SDK, which `app/tracing.ts` loads only when the environment asks for it, the
 * API does nothing, and `isTracing` keeps even that from the paths that run often.
 */

let tracing = false;

/** From now on spans are made. Called once an SDK is registered. */
export function enableTracing(): void {
  tracing = true;
}

const tracer = () => trace.getTracer('workflow-import-queue');

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The present span in the form of W3C Trace Context; `null` if there is none. */
export function currentTraceparent(): string | null {
  const span = tracing ? trace.getActiveSpan()?.spanContext() : undefined;
  if (span === undefined || !isSpanContextValid(span)) return null;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`;
}

/** The ids of the present span, for a line of the log. */
function currentTraceIds(): { traceId: string; spanId: string } | undefined {
  const span = tracing ? trace.getActiveSpan()?.spanContext() : undefined;
  return span !== undefined && isSpanContextValid(span)
    ? { traceId: span.traceId, spanId: span.spanId }
    : undefined;
}

/** The headers that carry the present span to another service. */
export function tracingHeaders(): Record<string, string> {
  const traceparent = currentTraceparent();
  return traceparent === null ? {} : { traceparent };
}

function contextOf(traceparent: string): Context {
  return propagation.extract(ROOT_CONTEXT, { traceparent });
}

export interface SpanOptions {
  name: string;
  kind?: 'consumer' | 'client';
  /** Ids and counts, never values of rows or addresses. */
  attributes?: Attributes;
  /** The span that caused this one, in another process or long ago. It belongs to its trace, and is linked to it. */
  cause: string | null;
}

/** Runs the work in a span of its own. An error ends the span as failed; its message stays in the log. */
export async function inSpan<Result>(
  { name, kind, attributes, cause }: SpanOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!tracing) return work();
  const known = cause !== null && TRACEPARENT.test(cause);
  const parent = known ? contextOf(cause) : ROOT_CONTEXT;
  const causing = trace.getSpanContext(parent);
  const links: Link[] = causing === undefined ? [] : [{ context: causing }];
  const kinds = { consumer: SpanKind.CONSUMER, client: SpanKind.CLIENT } as const;
  const span = tracer().startSpan(
    name,
    { kind: kind === undefined ? SpanKind.INTERNAL : kinds[kind], links, ...(attributes && { attributes }) },
    parent,
  );
  return context.with(trace.setSpan(parent, span), async () => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A span per request, named by its route: paths hold ids, and queries hold mail addresses. */
export function traceRequest(request: Request, response: Response, next: NextFunction): void {
  if (!tracing || request.path.startsWith('/health/')) return next();
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const span = tracer().startSpan(request.method, { kind: SpanKind.SERVER }, parent);
  response.once('close', () => endRequest(span, request, response));
  context.with(trace.setSpan(parent, span), next);
}

function endRequest(span: Span, request: Request, response: Response): void {
  const route = (request.route as { path?: unknown } | undefined)?.path;
  if (typeof route === 'string') {
    span.updateName(`${request.method} ${route}`);
    span.setAttribute('http.route', route);
  }
  span.setAttributes({
    'http.request.method': request.method,
    'http.response.status_code': response.statusCode,
  });
  if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/**
 * Places in the code where the crash tests (`test/crash`) make this process die or freeze. Each lies between two steps
 * of which only the first may have happened. For tests only.
 */
export const FAULT_POINTS = [
  // Processing a chunk: the transaction has not begun; its records are read; everything is written; everything is
  // committed.
  'chunk.before-lock',
  'chunk.after-load',
  'chunk.before-commit',
  'chunk.after-commit',
  // Writing a chunk into another database: everything is written there; it is committed there, but not here.
  'table.before-target-commit',
  'table.after-target-commit',
  // Sending a record to another system: the receiver has accepted it, but its outcome is not yet written.
  'delivery.before-save',
  // PostgreSQL records the next chunks as queued, but Redis has no job for them.
  'chunk.before-enqueue',
  // Ending a batch: owed mails are written, and the status goes with COMMIT; all is committed, but no sender has been
  // woken.
  'batch.before-end-commit',
  'batch.after-end-commit',
  // Creating a batch: what is not written yet goes with COMMIT; it is committed, but neither answered nor known to Redis.
  'intake.before-commit',
  'intake.after-commit',
  // Sending a mail or webhook: it is claimed; the receiver has accepted it, but that is not yet written.
  'message.before-send',
  'message.after-accept',
  // Deleting data past its retention: the lock of the sweep is held.
  'retention.in-sweep',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/**
 * As in `chunk.before-commit:kill@3,message.after-accept:stop`: the fault, and the passage at which it occurs (else the
 * first).
 */
export const FAULTS_PATTERN = new RegExp(
  `^${oneFault()}(,${oneFault()})*$`.replaceAll('.', '\\.').replaceAll('#', '\\d{1,9}'),
);

const SIGNALS = { kill: 'SIGKILL', stop: 'SIGSTOP' } as const;

interface ArmedFault {
  signal: NodeJS.Signals;
  passagesLeft: number;
}

let armed: Map<FaultPoint, ArmedFault> | undefined;

/** Arms the points named in the text, which matches `FAULTS_PATTERN`. An unarmed point costs one look at a variable. */
export function armFaultPoints(faults: string): void {
  armed = new Map(
    faults.split(',').map((fault) => {
      const [point, action, passage] = fault.split(/[:@]/) as [FaultPoint, keyof typeof SIGNALS, string?];
      return [point, { signal: SIGNALS[action], passagesLeft: Number(passage ?? 1) }];
    }),
  );
}

/** Ends or freezes the process here if a test has asked for it; else does nothing. */
export function faultPoint(point: FaultPoint): void {
  const fault = armed?.get(point);
  if (fault === undefined) return;
  fault.passagesLeft -= 1;
  if (fault.passagesLeft === 0) process.kill(process.pid, fault.signal);
}

function oneFault(): string {
  return `(${FAULT_POINTS.join('|')}):(kill|stop)(@#)?`;
}

/**
 * A measurement for subscribers (`metrics/`), which costs nothing without any. The measured code does not know its
 * subscribers.
 */
interface ChunkMeasurement {
  /** The result of the chunk's run, or `failed`. */
  result: string;
  seconds: number;
}

/** Outcomes that were written; those of a chunk that is rolled back afterwards are reported again. */
interface RecordMeasurement {
  importProcessId: number;
  counts: Readonly<Record<string, number>>;
}

interface BatchMeasurement {
  /** The terminal status. */
  status: string;
  /** Since its first chunk began. */
  seconds: number;
}

/** Calls that create a batch, in this process. */
interface AdmissionMeasurement {
  /** Bodies that are received. */
  open: number;
  /** Calls that wait for their turn. */
  waiting: number;
  /** The code of the error with which a call was refused. */
  refused?: string;
}

interface Measurements {
  chunk: ChunkMeasurement;
  records: RecordMeasurement;
  batch: BatchMeasurement;
  admission: AdmissionMeasurement;
}

const CHANNELS = {
  chunk: channel('workflow-import-queue.chunk'),
  records: channel('workflow-import-queue.records'),
  batch: channel('workflow-import-queue.batch'),
  admission: channel('workflow-import-queue.admission'),
} as const;

export function publishMeasurement<Kind extends keyof Measurements>(
  kind: Kind,
  measurement: Measurements[Kind],
): void {
  const subject = CHANNELS[kind];
  if (subject.hasSubscribers) subject.publish(measurement);
}

/** Subscribes the listener. Returns a function that ends the subscription. */
export function onMeasurement(listener: {
  [Kind in keyof Measurements]?: (measurement: Measurements[Kind]) => void;
}): () => void {
  const ends = (Object.keys(CHANNELS) as (keyof Measurements)[]).flatMap((kind) => {
    const listen = listener[kind] as ((measurement: unknown) => void) | undefined;
    if (listen === undefined) return [];
    CHANNELS[kind].subscribe(listen);
    return () => void CHANNELS[kind].unsubscribe(listen);
  });
  return () => ends.forEach((end) => end());
}

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
