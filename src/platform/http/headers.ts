import { applyDecorators, Header } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import type { DomainError } from '../domain-error.js';
import { StartError } from '../errors.js';
import { httpErrors } from './http.errors.js';

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

/*
 * Versions of resources over HTTP (RFC 9110, 13.1.1): answers carry the version as `ETag`, and a PUT with `If-Match`
 * takes effect only if the header names the stored version. Without the header, a PUT replaces any version.
 */

/** The entity tag of a version. */
export function versionTag(version: number): string {
  return `"${version}"`;
}

/** The condition of an `If-Match` header. */
export interface VersionCondition {
  isMetBy(version: number): boolean;
}

/**
 * Reads an `If-Match` header; `undefined` means that the call has no condition. A weak tag never matches, as the RFC
 * requires, and neither does a tag in a different form.
 */
export function versionCondition(header: string | undefined): VersionCondition | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const tags = new Set(header.split(',').map((tag) => tag.trim()));
  return { isMetBy: (version) => tags.has(versionTag(version)) };
}

/** @throws DomainError 412 `precondition_failed` unless the stored version meets the condition */
export function assertMeets(condition: VersionCondition | undefined, version: number): void {
  if (condition === undefined || condition.isMetBy(version)) return;
  throw preconditionFailed(version);
}

function preconditionFailed(version: number): DomainError {
  return httpErrors.precondition_failed(
    `If-Match does not name the stored version, which is ${versionTag(version)}. Nothing was saved. Read the resource again and repeat your change.`,
    { extensions: { currentVersion: version }, headers: { ETag: versionTag(version) } },
  );
}

const LONGEST_WAIT_SECONDS = 60;

/**
 * The seconds of `Prefer: wait=N` (RFC 7240), at most 60; `null` without the preference. One that is not a number from 1
 * on is ignored, as the RFC says.
 */
export function preferredWait(header: string | string[] | undefined): number | null {
  for (const preference of String(header ?? '').split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference) ?? [];
    if (seconds !== undefined && Number(seconds) > 0) return Math.min(Number(seconds), LONGEST_WAIT_SECONDS);
  }
  return null;
}

/*
 * What caches may keep (RFC 9111).
 */

/** Answers with data of the installation. Pages, assets and the documentation state their own rules. */
const WITH_DATA = /^\/(API|queues|metrics|health)(\/|$)/i;

/** Middleware: no cache keeps an answer with data, unless its route says otherwise. */
export function cachingDefaults({ path }: Request, response: Response, next: NextFunction): void {
  if (WITH_DATA.test(path)) response.setHeader('Cache-Control', 'no-store');
  next();
}

/**
 * The caller may keep the answer, but asks each time whether it is still true. Express computes the `ETag` from the
 * answer, and answers 304 to a caller that has the same one.
 */
export const Revalidated = () =>
  applyDecorators(
    Header('Cache-Control', 'private, no-cache'),
    ApiHeader({ name: 'If-None-Match', required: false, description: 'The ETag of an earlier answer' }),
    ApiResponse({ status: 304, description: 'The answer with this ETag is still true' }),
  );

/** No page of ours uses these features of browsers, so a script that gets in cannot use them either. */
export function refuseUnusedFeatures(_request: Request, response: Response, next: NextFunction): void {
  const policy = 'camera=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()';
  response.setHeader('Permissions-Policy', policy);
  next();
}
