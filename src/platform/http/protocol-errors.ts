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
import { DomainError } from '../domain-error.js';
import { problemJson, toProblem } from './problem.js';

/** The client is given so long to read why its connection ends. */
const LINGER_MS = 1000;

const logger = new Logger('Protocol');

/**
 * What Node refuses by itself it answers with a status and nothing else; this way it is problem details too. Requests
 * without Host, and with expectations nobody knows, go on to `refuseUnusable` with all others.
 */
export function answerProtocolErrors(server: Server & { requireHostHeader?: boolean }): void {
  server.requireHostHeader = false;
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('clientError', (error: Error, socket: Socket) => refuse(socket, error));
}

/** What is HTTP, and yet no request that can be answered. */
export function refuseUnusable(request: Request, _response: Response, next: NextFunction): void {
  const { host, expect } = request.headers;
  if (host === undefined && request.httpVersion === '1.1') return next(missingHost());
  if (expect !== undefined && !/^100-continue$/i.test(expect)) return next(unknownExpectation());
  next();
}

/** There is no request to answer: only a connection, over which something came that was none. */
function refuse(socket: Socket & { _httpMessage?: ServerResponse }, error: NodeJS.ErrnoException): void {
  // An answer that has begun must not go on with another one. Node itself asks the same private member.
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
  // Closed at once, the connection would be reset while the client still sends, and the answer lost with it.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function notHttp({ code, message }: NodeJS.ErrnoException): DomainError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new DomainError(
        431,
        'headers_too_large',
        'The request passes a limit',
        `The URL and the headers are longer than ${maxHeaderSize} bytes.`,
        { limit: maxHeaderSize },
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new DomainError(
        413,
        'chunk_extensions_too_large',
        'The request passes a limit',
        'The body comes in chunks with extensions that are too long. Send it without them. Nothing was stored.',
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new DomainError(
        408,
        'request_timeout',
        'The request took too long',
        'The request did not arrive in time. Nothing was stored.',
      );
    default:
      return new DomainError(
        400,
        'malformed_request',
        'The request is not HTTP',
        `What was sent cannot be read as HTTP/1.1: ${message.replace(/^Parse Error: /, '')}. Nothing was stored.`,
      );
  }
}

function missingHost(): DomainError {
  return new DomainError(
    400,
    'missing_host',
    'The request is not usable',
    'HTTP/1.1 asks for the header Host, and it is missing.',
  );
}

function unknownExpectation(): DomainError {
  return new DomainError(
    417,
    'unknown_expectation',
    'The expectation cannot be met',
    'The header Expect may be "100-continue", or be left out.',
  );
}
