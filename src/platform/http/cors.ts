import type { NextFunction, Request, RequestHandler, Response } from 'express';

/** Pages are for our own origin; programs in browsers call these. */
const FOR_PROGRAMS = /^\/(API|health|metrics)(\/|$)|^\/docs\/openapi[^/]*\.json$/i;
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const REQUEST_HEADERS = [
  ...['Authorization', 'Content-Type', 'Content-Encoding', 'Idempotency-Key', 'If-Match', 'If-None-Match'],
  ...['Last-Event-ID', 'Prefer', 'Range', 'If-Range', 'X-Request-Id', 'Upload-Complete', 'Upload-Offset'],
  'Upload-Length',
].join(', ');
const ANSWER_HEADERS = [
  ...['Location', 'Link', 'ETag', 'Retry-After', 'Content-Disposition', 'Content-Range', 'Accept-Ranges'],
  ...['Idempotency-Replayed', 'Preference-Applied', 'RateLimit', 'RateLimit-Policy', 'X-Request-Id'],
  ...['Upload-Complete', 'Upload-Offset', 'Upload-Length', 'Upload-Limit', 'WWW-Authenticate'],
].join(', ');
/** How long a browser may remember the answer to a preflight, in seconds. */
const REMEMBERED_SECONDS = 600;

/**
 * Lets pages of these origins call the API with a key. Cookies stay out (no `Allow-Credentials`), so a session works
 * on our own pages only.
 * @param origins as browsers send them, such as `https://app.example.org`; `*` for every origin
 */
export function crossOrigin(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (request: Request, response: Response, next: NextFunction) => {
    if (allowed.size === 0 || !FOR_PROGRAMS.test(request.path)) return next();
    response.vary('Origin');
    const { origin } = request.headers;
    const isAllowed = origin !== undefined && (allowed.has('*') || allowed.has(origin));
    if (!isAllowed) return next();
    response.set({
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Expose-Headers': ANSWER_HEADERS,
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) {
      return next();
    }
    response.set({
      'Access-Control-Allow-Methods': METHODS,
      'Access-Control-Allow-Headers': REQUEST_HEADERS,
      'Access-Control-Max-Age': String(REMEMBERED_SECONDS),
    });
    response.status(204).end();
  };
}
