import type { RequestHandler } from 'express';
import helmet from 'helmet';

/** No inline script anywhere. Everything a page needs is served by us. */
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

/** Swagger UI and bull-board put style elements and attributes into the page; bull-board names its base. */
const FOREIGN_UI = { ...STRICT, 'style-src': ["'self'", "'unsafe-inline'"], 'base-uri': ["'self'"] };
const FOREIGN_UI_PATHS = /^\/(docs|queues)(\/|$)/i;

/** Security headers of every answer. `publicUrl` says whether people come by https. */
export function securityHeaders(publicUrl: string): RequestHandler {
  const https = publicUrl.startsWith('https:');
  const headers = (directives: typeof STRICT) =>
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { ...directives, ...(https && { 'upgrade-insecure-requests': [] }) },
      },
      // The default, no-referrer, makes browsers send "Origin: null" with our own forms, which then look foreign.
      referrerPolicy: { policy: 'same-origin' },
      xFrameOptions: { action: 'deny' },
      // On plain http the browser ignores it; on https it would lock out who turns https off again for a year.
      strictTransportSecurity: https,
    });
  const strict = headers(STRICT);
  const foreign = headers(FOREIGN_UI);
  return (request, response, next) =>
    (FOREIGN_UI_PATHS.test(request.path) ? foreign : strict)(request, response, next);
}
