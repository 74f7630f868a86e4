import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { DomainError } from '../domain.error.js';

const LIMIT_BYTES = 1024 ** 2;

/** Routes that read their body as a stream themselves. Express matches paths in any case, with a final slash or not. */
const STREAMED = /^\/API\/WorkflowImportQueue\/(CreateBatch|Uploads)\/?$/i;

/** Routes that are given the bytes of their JSON: parsed, its numbers may have lost digits. */
const AS_SENT = /^\/API\/Workflows\/[^/]+\/Instances\/[^/]+\/Actions\/[^/]+\/?$/i;

/** Parses JSON bodies of configuration size. */
export function jsonBody(): RequestHandler {
  const options = { limit: LIMIT_BYTES, type: ['application/json', 'application/*+json'] };
  const parse = express.json(options);
  const read = express.raw(options);
  return (request: Request, response: Response, next: NextFunction) => {
    if (STREAMED.test(request.path)) return next();
    const receive = AS_SENT.test(request.path) ? read : parse;
    receive(request, response, (error: unknown) => next(error === undefined ? undefined : refusal(error)));
  };
}

/** body-parser's errors in our words. @see https://github.com/expressjs/body-parser#errors */
function refusal(error: unknown): unknown {
  const { type, message, status } = error as { type?: string; message?: string; status?: number };
  switch (type) {
    case 'entity.too.large':
      return new DomainError(
        413,
        'body_too_large',
        'The request passes a limit',
        `The body is larger than ${LIMIT_BYTES} bytes.`,
        { limit: LIMIT_BYTES },
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
