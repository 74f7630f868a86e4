import { randomUUID } from 'node:crypto';
import {
  type IncomingMessage,
  maxHeaderSize,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import type { DomainError } from '../domain-error.js';
import { httpErrors } from './http.errors.js';
import { problemJson, toProblem } from './problem.js';

/** How long the client may take to read why its connection ends. */
const LINGER_MS = 1000;

const logger = new Logger('Protocol');

/**
 * Node answers what it refuses itself with a bare status; this turns it into problem details, too. Requests without Host
 * and with unknown expectations are passed on to `refuseUnusable` like all others.
 */
export function answerProtocolErrors(server: Server & { requireHostHeader?: boolean }): void {
  server.requireHostHeader = false;
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('clientError', (error: Error, socket: Socket) => refuse(socket, error));
}

/** Refuses requests that are valid HTTP but cannot be answered. */
export function refuseUnusable(request: Request, _response: Response, next: NextFunction): void {
  const { host, expect } = request.headers;
  if (host === undefined && request.httpVersion === '1.1') return next(missingHost());
  if (expect !== undefined && !/^100-continue$/i.test(expect)) return next(unknownExpectation());
  next();
}

/** Refuses input that is not a request, so that only the connection is left to answer on. */
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
  // If it closed at once while the client still sends, the connection would be reset and the answer lost with it.
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

function unknownExpectation(): DomainError {
  return httpErrors.unknown_expectation('The only value allowed in the header Expect is "100-continue".');
}

/** What is read of a body after its answer: enough for a client to see the answer, and no more. */
const MAX_DISCARDED_BYTES = 1024 ** 2;
const MAX_DISCARDING_MS = 5_000;

/**
 * Reads the rest of a body after the answer and drops it. Closing the connection while the client still sends would
 * reset it and lose the answer that explains why; a client that reads while it writes stops sending when it sees the
 * answer. One that goes on sending, or stalls, is cut off.
 */
export function discardUnreadBodies(request: Request, response: Response, next: NextFunction): void {
  response.once('finish', () => {
    if (request.complete) return;
    let bytes = 0;
    const cutOff = () => request.socket.destroy();
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
