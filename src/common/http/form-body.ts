import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { DomainError } from '../domain.error.js';

/** The largest are the editor of a workflow and a page of rows to mend. */
const LIMIT_BYTES = 1024 ** 2;

/** Routes for programs take no forms: what curl sends by default is a body of records, or a mistake. */
const FOR_PROGRAMS = /^\/(API|queues)(\/|$)/i;

/** Parses what forms of our pages send: names and texts, a repeated name as a list. */
export function formBody(): RequestHandler {
  const parse = express.urlencoded({ extended: false, limit: LIMIT_BYTES, parameterLimit: 2000 });
  return (request: Request, response: Response, next: NextFunction) => {
    if (FOR_PROGRAMS.test(request.path)) next();
    else parse(request, response, (error: unknown) => next(error === undefined ? undefined : refusal(error)));
  };
}

function refusal(error: unknown): unknown {
  const { status } = error as { status?: number };
  if (status === undefined || status >= 500) return error;
  return new DomainError(
    status,
    status === 413 ? 'body_too_large' : 'bad_request',
    'The form is not usable',
    status === 413
      ? `The form is larger than ${LIMIT_BYTES} bytes.`
      : 'The form did not arrive as its headers say.',
    { cause: error, ...(status === 413 && { limit: LIMIT_BYTES }) },
  );
}
