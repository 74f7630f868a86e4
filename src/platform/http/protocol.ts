import { randomUUID } from 'node:crypto';
import {
  type IncomingMessage,
  maxHeaderSize,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import { parse, type ParsedUrlQuery, unescape } from 'node:querystring';
import { type CallHandler, type ExecutionContext, Logger, type NestInterceptor } from '@nestjs/common';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { Observable } from 'rxjs';
import { TimeoutError, withTimeout } from '../concurrency.js';
import type { DomainError } from '../errors.js';
import { httpErrors, malformedJson } from './http.errors.js';
import { problemJson, toProblem } from './problem.filter.js';

/** How long the client has to read why its connection ends. */
const LINGER_MS = 1000;
const logger = new Logger('Protocol');

/**
 * Load balancers keep idle connections for a minute. If we closed them earlier, a request that is just being sent on one
 * would be lost.
 */
const KEEP_ALIVE_MS = 65_000;

/**
 * Node answers the requests that it refuses itself with a bare status; this turns those answers into problem details.
 * Requests without Host and with unknown expectations are passed on to `refuseUnusable` like all others.
 */
export function answerProtocolErrors(server: Server & { requireHostHeader?: boolean }): void {
  server.requireHostHeader = false;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    continueWhenRead(request, response);
    server.emit('request', request, response);
  });
  server.on('clientError', (error: Error, socket: Socket) => refuse(socket, error));
}

/**
 * A client that sends `Expect: 100-continue` waits with its body until it is told to continue. That happens when the
 * body is first read, so a request that its headers condemn is refused without its body.
 */
function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  let continued = false;
  const read = request._read.bind(request);
  request._read = (size) => {
    if (!continued && !response.headersSent) {
      continued = true;
      response.writeContinue();
    }
    read(size);
  };
  const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
  response.writeHead = (...head: unknown[]) => {
    // Whether the client still sends the body is its choice, so only a new connection is certain to begin with a request.
    if (!continued && !request.complete) response.shouldKeepAlive = false;
    return writeHead(...head);
  };
}

/** Refuses requests that are valid HTTP but cannot be answered. */
export function refuseUnusable(request: Request, _response: Response, next: NextFunction): void {
  const { host, expect } = request.headers;
  const hosts = request.headersDistinct.host ?? [];
  if (hosts.length > 1) return next(repeatedHost());
  if (host === undefined && request.httpVersion === '1.1') return next(missingHost());
  const encoding = request.headers['transfer-encoding']?.trim().toLowerCase();
  if (encoding !== undefined && request.httpVersion === '1.0') return next(chunkedInHttp10());
  if (encoding !== undefined && encoding !== 'chunked') return next(unsupportedTransferEncoding(encoding));
  if (expect !== undefined && !/^100-continue$/i.test(expect)) return next(unknownExpectation());
  next();
}

/** Refuses input that is not a request, so the answer can only be written to the connection. */
function refuse(socket: Socket & { _httpMessage?: ServerResponse }, error: NodeJS.ErrnoException): void {
  // A second answer must not follow one that has begun. Node itself checks the same private member.
  if (!socket.writable || socket._httpMessage?.headersSent === true) {
    if (!socket.writableEnded) socket.destroy(error);
    return;
  }
  const problem = toProblem(notHttp(error), '');
  const instance = `urn:uuid:${randomUUID()}`;
  logger.debug({
    message: `${problem.detail} (${error.code ?? error.message})`,
    code: problem.code,
    instance,
  });
  const body = JSON.stringify(problemJson(problem, instance));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Connection: close',
  ];
  // If the connection closed at once while the client still sends, it would be reset and the answer lost with it.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function notHttp({ code, message }: NodeJS.ErrnoException): DomainError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return httpErrors.headers_too_large(
        `The URL and the headers together are longer than ${maxHeaderSize} bytes.`,
        { limit: maxHeaderSize },
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return httpErrors.chunk_extensions_too_large(
        'The chunks of the body carry extensions that are too long. Send it without them. Nothing was stored.',
      );
    case 'HPE_INVALID_URL':
      return httpErrors.malformed_request(
        'The URL contains characters that are not allowed in it. Percent-encode everything but ASCII letters, digits and - . _ ~, for example fileName=M%C3%BCller.jsonl. Nothing was stored.',
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return httpErrors.request_timeout('The request did not arrive in time. Nothing was stored.');
    default:
      return httpErrors.malformed_request(
        `The request cannot be read as HTTP/1.1: ${message.replace(/^Parse Error: /, '')}. Nothing was stored.`,
      );
  }
}

function missingHost(): DomainError {
  return httpErrors.missing_host('HTTP/1.1 requires the header Host.');
}

function repeatedHost(): DomainError {
  return httpErrors.malformed_request('The header Host is given more than once. Nothing was stored.', CLOSE);
}

/** The end of the body is not certain, so nothing more can be read from the connection. */
const CLOSE = { headers: { Connection: 'close' } };

function chunkedInHttp10(): DomainError {
  return httpErrors.malformed_request(
    'HTTP/1.0 has no Transfer-Encoding. Send a Content-Length, or HTTP/1.1. Nothing was stored.',
    CLOSE,
  );
}

function unsupportedTransferEncoding(found: string): DomainError {
  return httpErrors.unsupported_transfer_encoding(
    `Transfer-Encoding ${JSON.stringify(found)} is not supported, only chunked. Compress the body with Content-Encoding instead. Nothing was stored.`,
    CLOSE,
  );
}

function unknownExpectation(): DomainError {
  return httpErrors.unknown_expectation('The only value allowed in the header Expect is "100-continue".');
}

/** How much of a body is read after its answer: many clients look for the answer only once they have sent everything. */
const MAX_DISCARDED_BYTES = 64 * 1024 ** 2;
const MAX_DISCARDING_MS = 5_000;

/**
 * Reads the rest of a body after the answer and drops it. Closing the connection while the client still sends would
 * reset it, and the answer that explains the refusal would be lost. A client that reads while it writes stops sending
 * when it sees the answer. A client that continues to send, or stalls, is cut off.
 */
export function discardUnreadBodies(request: Request, response: Response, next: NextFunction): void {
  // Not `finish`: Node has begun to drop the body then, and no longer reports its pieces.
  response.once('prefinish', () => {
    if (request.complete) return;
    let bytes = 0;
    // Reset, not merely closed: a client that does not read would keep its half of the connection open.
    const cutOff = () => request.socket.resetAndDestroy();
    const timer = setTimeout(cutOff, MAX_DISCARDING_MS).unref();
    request.once('close', () => clearTimeout(timer));
    request.once('end', () => clearTimeout(timer));
    request.unpipe();
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > MAX_DISCARDED_BYTES) cutOff();
    });
    request.resume();
  });
  next();
}

/** Forbids inline scripts. Our own server provides all content of a page. */
const STRICT: Record<string, readonly string[]> = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'font-src': ["'self'"],
  'connect-src': ["'self'"],
  'form-action': ["'self'"],
  'frame-ancestors': ["'none'"],
  'base-uri': ["'none'"],
};

/** Swagger UI and bull-board put style elements and attributes into the page; bull-board sets its base URL. */
const FOREIGN_UI = { ...STRICT, 'style-src': ["'self'", "'unsafe-inline'"], 'base-uri': ["'self'"] };
const FOREIGN_UI_PATHS = /^\/(docs|queues)(\/|$)/i;

/** Security headers of every answer. `publicUrl` tells whether browsers use https. */
export function securityHeaders(publicUrl: string): RequestHandler {
  const https = publicUrl.startsWith('https:');
  const headers = (directives: typeof STRICT) =>
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { ...directives, ...(https && { 'upgrade-insecure-requests': [] }) },
      },
      // With the default, no-referrer, browsers send "Origin: null" with our own forms, which then look foreign.
      referrerPolicy: { policy: 'same-origin' },
      xFrameOptions: { action: 'deny' },
      // On plain http the browser ignores it. On https, operators who later turn https off would lock browsers out for
      // a year.
      strictTransportSecurity: https,
    });
  const strict = headers(STRICT);
  const foreign = headers(FOREIGN_UI);
  return (request, response, next) =>
    (FOREIGN_UI_PATHS.test(request.path) ? foreign : strict)(request, response, next);
}

/**
 * The parameters of a query: names and texts, with a list for a repeated name. Like Express's "simple" parser, but with
 * two differences. First, bytes that are not UTF-8 become lone surrogates, which UTF-8 cannot express, so that
 * `isWellFormed` distinguishes them from a U+FFFD in the request. Second, no parameter is dropped, regardless of their
 * number: the length of a URL is bounded anyway.
 */
export function parseQuery(query: string): ParsedUrlQuery {
  return parse(query, '&', '=', { decodeURIComponent: decoded, maxKeys: 0 });
}

const NOT_UTF8 = '\udc80';

function decoded(text: string): string {
  try {
    // A percent sign without two hexadecimal digits stands for itself: q=100%
    return decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    return unescape(text).replaceAll('\ufffd', NOT_UTF8);
  }
}

const JSON_LIMIT_BYTES = 1024 ** 2;
/** The largest forms are the workflow editor and a page of rows to fix. */
const FORM_LIMIT_BYTES = 1024 ** 2;
/** The only form without a session is the sign-in form. */
const ANONYMOUS_FORM_LIMIT_BYTES = 16 * 1024;

/** Routes that read their body as a stream themselves. Express ignores case in paths, and a final slash. */
const STREAMED = /^\/API\/WorkflowImportQueue\/(CreateBatch|Uploads|Uploads\/Parts\/[^/]+)\/?$/i;

/** Routes that receive their JSON as bytes, because parsing may lose digits of its numbers. */
const AS_SENT = /^\/API\/Workflows\/[^/]+\/Instances\/[^/]+\/Actions\/[^/]+\/?$/i;

/** The route whose body names thousands of records; it receives its JSON as bytes, too. */
const LARGE = /^\/API\/WorkflowImportQueue\/Batches\/[^/]+\/Fix\/?$/i;
const LARGE_LIMIT_BYTES = 8 * 1024 ** 2;

/** Calls of tools may hold a file. */
const TOOL_CALLS = /^\/mcp\/?$/i;

/**
 * Routes for programs do not accept forms: curl labels a body as a form by default, so the body holds records or is a
 * mistake.
 */
const FOR_PROGRAMS = /^\/(API|mcp|queues)(\/|$)/i;

const JSON_OPTIONS = { limit: JSON_LIMIT_BYTES, type: ['application/json', 'application/*+json'] };
const PARSE_JSON = express.json(JSON_OPTIONS);
const PARSE_LARGE_JSON = express.json({ ...JSON_OPTIONS, limit: LARGE_LIMIT_BYTES });
const READ_JSON = express.raw(JSON_OPTIONS);
const READ_LARGE_JSON = express.raw({ ...JSON_OPTIONS, limit: LARGE_LIMIT_BYTES });
const formParser = (limit: number, parameterLimit: number) =>
  express.urlencoded({ extended: false, limit, parameterLimit });
/** The form of a large workflow has thousands of inputs. */
const PARSE_FORM = formParser(FORM_LIMIT_BYTES, 10_000);
const PARSE_ANONYMOUS_FORM = formParser(ANONYMOUS_FORM_LIMIT_BYTES, 2000);

/**
 * Parses JSON bodies of configuration size, and the forms of our pages: names and texts, with a list for a repeated
 * name. It is an interceptor, so that it runs after the guards: a body that the caller is not authorized to send is
 * never collected, and neither is a body for a route that does not exist.
 */
export class BodyParsingInterceptor implements NestInterceptor {
  /** @param limitMs how long a body may take to arrive; 0: no limit */
  constructor(private readonly limitMs: number) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request & { principal?: unknown }>();
    const { path } = request;
    if (STREAMED.test(path)) return next.handle();
    const response = http.getResponse<Response>();
    for (const parse of parsersFor(path, request.principal !== undefined)) {
      await this.parse(parse, request, response);
    }
    return next.handle();
  }

  private async parse(parse: RequestHandler, request: Request, response: Response): Promise<void> {
    const isForm = parse === PARSE_FORM || parse === PARSE_ANONYMOUS_FORM;
    // Checked here, too, because body-parser refuses such a body only after all of it has arrived.
    const limit = limitOf(parse);
    if (parse === READ_JSON || parse === READ_LARGE_JSON) assertUtf8(request.headers['content-type'], 'JSON');
    const isMeant = request.is(isForm ? 'application/x-www-form-urlencoded' : JSON_OPTIONS.type) !== false;
    if (isMeant && Number(request.headers['content-length']) > limit) {
      throw httpErrors.body_too_large(`The body is larger than ${limit} bytes.`, { limit });
    }
    const parsed = new Promise<void>((resolve, reject) => {
      parse(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(asError(isForm ? formRefusal(error) : jsonRefusal(error, limit)));
      });
    });
    try {
      await (this.limitMs === 0 ? parsed : withTimeout(this.limitMs, parsed));
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      throw httpErrors.body_too_slow(
        `The body did not arrive within ${this.limitMs / 1000} s. Nothing was done; send it again over a better connection.`,
        { headers: { Connection: 'close' } },
      );
    }
  }
}

function parsersFor(path: string, isAuthenticated: boolean): readonly RequestHandler[] {
  if (LARGE.test(path)) return [READ_LARGE_JSON];
  if (TOOL_CALLS.test(path)) return [PARSE_LARGE_JSON];
  if (FOR_PROGRAMS.test(path)) return [AS_SENT.test(path) ? READ_JSON : PARSE_JSON];
  return isAuthenticated ? [PARSE_JSON, PARSE_FORM] : [PARSE_ANONYMOUS_FORM];
}

function limitOf(parse: RequestHandler): number {
  if (parse === READ_LARGE_JSON || parse === PARSE_LARGE_JSON) return LARGE_LIMIT_BYTES;
  if (parse === PARSE_ANONYMOUS_FORM) return ANONYMOUS_FORM_LIMIT_BYTES;
  return parse === PARSE_FORM ? FORM_LIMIT_BYTES : JSON_LIMIT_BYTES;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Translates the errors of body-parser. @see https://github.com/expressjs/body-parser#errors */
function jsonRefusal(error: unknown, limit: number): unknown {
  const { type, message, status } = error as { type?: string; message?: string; status?: number };
  switch (type) {
    case 'entity.too.large':
      return httpErrors.body_too_large(`The body is larger than ${limit} bytes.`, { limit });
    case 'entity.parse.failed':
      return malformedJson(String(message), error);
    default:
      if (status === 415) return unsupportedEncoding(error, 'JSON');
      if (status !== 400) return error;
      return httpErrors.bad_request('The body does not match its headers.', { cause: error });
  }
}

function unsupportedEncoding(error: unknown, form: string): DomainError {
  const { type } = error as { type?: string };
  const refusal =
    type === 'charset.unsupported' ? httpErrors.unsupported_charset : httpErrors.unsupported_content_encoding;
  return refusal(utf8Advice(form), { cause: error });
}

const utf8Advice = (form: string) =>
  `Send ${form} in UTF-8, uncompressed or with Content-Encoding gzip, deflate or br.`;

/** US-ASCII is a part of UTF-8. */
const UTF8_NAMES = /^(utf-?8|us-ascii|ascii)$/i;

/**
 * For bodies that are read as UTF-8 whatever their Content-Type says.
 * @param form what the body holds, for the error
 * @throws DomainError 415 `unsupported_charset` if the parameter `charset` names another encoding
 */
export function assertUtf8(contentType: string | undefined, form: string): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType ?? '')?.[1];
  if (charset === undefined || UTF8_NAMES.test(charset)) return;
  throw httpErrors.unsupported_charset(utf8Advice(form));
}

function formRefusal(error: unknown): unknown {
  const { status, limit = FORM_LIMIT_BYTES } = error as { status?: number; limit?: number };
  if (status === undefined || status >= 500) return error;
  if (status === 415) return unsupportedEncoding(error, 'the form');
  return status === 413
    ? httpErrors.body_too_large(`The form is larger than ${limit} bytes.`, { cause: error, limit })
    : httpErrors.bad_request('The form does not match its headers.', { cause: error });
}
