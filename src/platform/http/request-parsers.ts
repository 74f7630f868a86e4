import { parse, type ParsedUrlQuery, unescape } from 'node:querystring';
import express from 'express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { DomainError } from '../domain-error.js';
import { httpErrors, malformedJson } from './http.errors.js';

/**
 * The parameters of a query: names and texts, a repeated name as a list. Like Express's "simple" parser, except for two
 * things that parser hides. Bytes that are not UTF-8 become lone surrogates, which UTF-8 cannot express, so that
 * `isWellFormed` distinguishes them from a U+FFFD that was sent. And no parameter is dropped, however many there are:
 * the length of a URL is bounded anyway.
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

/** Routes that read their body as a stream themselves. Express matches paths in any case, with a final slash or not. */
const STREAMED = /^\/API\/WorkflowImportQueue\/(CreateBatch|Uploads)\/?$/i;

/** Routes that receive the bytes of their JSON, because parsing may lose digits of its numbers. */
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

/** Translates the errors of body-parser. @see https://github.com/expressjs/body-parser#errors */
function jsonRefusal(error: unknown): unknown {
  const { type, message, status } = error as { type?: string; message?: string; status?: number };
  switch (type) {
    case 'entity.too.large':
      return httpErrors.body_too_large(`The body is larger than ${JSON_LIMIT_BYTES} bytes.`, {
        limit: JSON_LIMIT_BYTES,
      });
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
  const detail = `Send ${form} in UTF-8, uncompressed or with Content-Encoding gzip, deflate or br.`;
  return refusal(detail, { cause: error });
}

/** The largest forms are the workflow editor and a page of rows to fix. */
const FORM_LIMIT_BYTES = 1024 ** 2;

/** Routes for programs accept no forms: what curl labels as a form by default is a body of records, or a mistake. */
const FOR_PROGRAMS = /^\/(API|queues)(\/|$)/i;

/** Parses the forms of our pages: names and texts, a repeated name as a list. */
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
  if (status === 415) return unsupportedEncoding(error, 'the form');
  return status === 413
    ? httpErrors.body_too_large(`The form is larger than ${FORM_LIMIT_BYTES} bytes.`, {
        cause: error,
        limit: FORM_LIMIT_BYTES,
      })
    : httpErrors.bad_request('The form does not match its headers.', { cause: error });
}
