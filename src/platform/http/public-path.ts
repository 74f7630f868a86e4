import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import { StartError } from '../errors.js';

/**
 * PUBLIC_URL may have a path, for example https://example.org/queue, where a proxy serves this service below that path.
 * The service itself works with paths from its own root, so the path is removed from requests and put before the paths
 * of answers, each in one place.
 */

/** The path of PUBLIC_URL without a trailing slash, for example `/queue`; empty if it has none. */
export function publicPath(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/+$/, '');
}

/** Headers whose value is, or contains, a path of this service. */
const LINKING_HEADERS: ReadonlySet<string> = new Set(['location', 'link', 'hx-redirect', 'hx-location']);

/**
 * Handles the path for requests, whether the proxy passes it on or removes it, and for the headers of answers. Must come
 * before everything that reads the address of a request.
 */
export function publicPathMiddleware(publicUrl: string): RequestHandler {
  const path = publicPath(publicUrl);
  if (path === '') return (_request, _response, next) => next();
  return (request: Request, response: Response, next: NextFunction) => {
    if (isBelow(path, request.url)) {
      request.url = request.url.slice(path.length).replace(/^(?!\/)/, '/');
      request.originalUrl = request.url;
    }
    const setHeader = response.setHeader.bind(response);
    response.setHeader = (name, value) => {
      const links = LINKING_HEADERS.has(name.toLowerCase()) && typeof value === 'string';
      return setHeader(name, links ? withPublicPath(path, value) : value);
    };
    next();
  };
}

function isBelow(path: string, url: string): boolean {
  return url.startsWith(path) && /^([/?]|$)/.test(url.slice(path.length));
}

/** A path, or the value of a `Link` header. Addresses of other servers stay as they are. */
function withPublicPath(path: string, value: string): string {
  return value.replace(/^<?(?=\/(?!\/))/, (bracket) => bracket + path);
}

const LINKING_ATTRIBUTES =
  /(\s(?:href|src|action|formaction|data-hx-(?:get|post|put|delete|sse:connect))=")(?=\/(?!\/))/g;

/** Puts the path before the addresses in a page. Texts are escaped, so no text looks like one of these attributes. */
export function pageBelow(path: string, html: string): string {
  return path === '' ? html : html.replace(LINKING_ATTRIBUTES, (attribute) => attribute + path);
}

/** What middleware serves, which the router does not list as routes. */
const MIDDLEWARE_PATHS = ['/assets', '/docs', '/queues'];

/**
 * With PUBLIC_URL=https://example.org/imports, a request for /imports/5 could be the page of import 5, or the address
 * /5 behind a proxy that passes on the path.
 * @throws StartError if the path of PUBLIC_URL begins like one of our routes
 */
export function refuseAmbiguousPublicPath(publicUrl: string, express: Express): void {
  const path = publicPath(publicUrl);
  const first = /^\/[^/]+/.exec(path)?.[0];
  if (first === undefined) return;
  const layers = express.router.stack as unknown as { route?: { path: string } }[];
  const routes = layers.flatMap(({ route }) => (route === undefined ? [] : [route.path]));
  const own = [...MIDDLEWARE_PATHS, ...routes].find(
    (route) => /^\/[^/]*/.exec(route)?.[0].toLowerCase() === first.toLowerCase(),
  );
  if (own === undefined) return;
  throw new StartError(
    `The path of PUBLIC_URL must not begin with ${first}, because pages or routes of this service begin with it too. Serve it below another path, for example /queue.`,
  );
}
