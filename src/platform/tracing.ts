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
export function currentTraceIds(): { traceId: string; spanId: string } | undefined {
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
