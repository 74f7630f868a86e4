import { parse, type ParsedUrlQuery, unescape } from 'node:querystring';
import express from 'express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { DomainError } from '../domain-error.js';

/**
 * The parameters of a query: names and texts, a repeated name as a list. Like Express's "simple" parser, but for two
 * things it passes over in silence. Bytes that are no UTF-8 come as lone surrogates, which no UTF-8 stands for, so that
 * `isWellFormed` tells them from a U+FFFD that was sent. And no parameter is left out, however many there are: the
 * length of a URL is bounded.
 */
export function parseQuery(query: string): ParsedUrlQuery {
  return parse(query, '&', '=', { decodeURIComponent: decoded, maxKeys: 0 });
}

const NO_UTF8 = '\udc80';

function decoded(text: string): string {
  try {
    // A percent sign that begins no byte stands for itself: q=100%
    return decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    return unescape(text).replaceAll('\ufffd', NO_UTF8);
  }
}

const JSON_LIMIT_BYTES = 1024 ** 2;

/** Routes that read their body as a stream themselves. Express matches paths in any case, with a final slash or not. */
const STREAMED = /^\/API\/WorkflowImportQueue\/(CreateBatch|Uploads)\/?$/i;

/** Routes that are given the bytes of their JSON: parsed, its numbers may have lost digits. */
const AS_SENT = /^\/API\/Workflows\/[^/]+\/Instances\/[^/]+\/Actions\/[^/]+\/?$/i;

/** Parses JSON bodies of configuration size. */
export function jsonBody(): RequestHandler {
  const options = { limit: JSON_LIMIT_BYTES, type: ['application/json', 'application/*+json'] };
  const parse = express.json(options);
  const read = express.raw(options);
  return (request: Request, response: Response, next: NextFunction) => {
    if (STREAMED.test(request.path)) return next();
    const receive = AS_SENT.test(request.path) ? read : parse;
    receive(request, response, (error: unknown) =>
      next(error === undefined ? undefined : jsonRefusal(error)),
    );
  };
}

/** body-parser's errors in our words. @see https://github.com/expressjs/body-parser#errors */
function jsonRefusal(error: unknown): unknown {
  const { type, message, status } = error as { type?: string; message?: string; status?: number };
  switch (type) {
    case 'entity.too.large':
      return new DomainError(
        413,
        'body_too_large',
        'The request passes a limit',
        `The body is larger than ${JSON_LIMIT_BYTES} bytes.`,
        { limit: JSON_LIMIT_BYTES },
      );
    case 'entity.parse.failed':
      return new DomainError(
        400,
        'malformed_json',
        'The body is not JSON',
        `The body cannot be read as JSON: ${message}`,
        { cause: error },
      );
    case 'charset.unsupported':
    case 'encoding.unsupported':
      return new DomainError(
        415,
        type === 'charset.unsupported' ? 'unsupported_charset' : 'unsupported_content_encoding',
        'The body has an encoding that is not accepted',
        'Send JSON in UTF-8, as it is or with Content-Encoding gzip, deflate or br.',
        { cause: error },
      );
    default:
      if (status !== 400) return error;
      return new DomainError(
        400,
        'bad_request',
        'The request is not usable',
        'The body did not arrive as its headers say.',
        { cause: error },
      );
  }
}

/** The largest are the editor of a workflow and a page of rows to mend. */
const FORM_LIMIT_BYTES = 1024 ** 2;

/** Routes for programs take no forms: what curl sends by default is a body of records, or a mistake. */
const FOR_PROGRAMS = /^\/(API|queues)(\/|$)/i;

/** Parses what forms of our pages send: names and texts, a repeated name as a list. */
export function formBody(): RequestHandler {
  const parse = express.urlencoded({ extended: false, limit: FORM_LIMIT_BYTES, parameterLimit: 2000 });
  return (request: Request, response: Response, next: NextFunction) => {
    if (FOR_PROGRAMS.test(request.path)) next();
    else
      parse(request, response, (error: unknown) =>
        next(error === undefined ? undefined : formRefusal(error)),
      );
  };
}

function formRefusal(error: unknown): unknown {
  const { status } = error as { status?: number };
  if (status === undefined || status >= 500) return error;
  return new DomainError(
    status,
    status === 413 ? 'body_too_large' : 'bad_request',
    'The form is not usable',
    status === 413
      ? `The form is larger than ${FORM_LIMIT_BYTES} bytes.`
      : 'The form did not arrive as its headers say.',
    { cause: error, ...(status === 413 && { limit: FORM_LIMIT_BYTES }) },
  );
}
