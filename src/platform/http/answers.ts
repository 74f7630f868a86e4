import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { applyDecorators, Header, type Logger } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import compression from 'compression';
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import { BoundedMap } from '../concurrency.js';
import { type DomainError, StartError } from '../errors.js';
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

/** Media types of ours that the lists of compressible types do not know. */
const COMPRESSIBLE = /^application\/(jsonl|x-ndjson|problem\+json)\b/i;

/**
 * Compresses answers for callers that accept it. A stream of events passes as it is: its events must not wait for more.
 * So does a part of a file, whose bytes are counted uncompressed.
 */
export function compressedAnswers(): RequestHandler {
  const compress = compression({
    filter: (request, response) => {
      const type = String(response.getHeader('Content-Type') ?? '');
      if (response.statusCode === 206 || type.startsWith('text/event-stream')) return false;
      return COMPRESSIBLE.test(type) || compression.filter(request, response);
    },
  });
  return (request, response, next) => {
    // The log, the trace, the pipeline of a download and others listen for its end, together more than ten.
    response.setMaxListeners(20);
    compress(request, response, next);
  };
}

type Pieces = AsyncGenerator<string | Buffer, void, undefined>;

export interface Download {
  /** Value of Content-Type. */
  type: string;
  /** Value of Content-Disposition. */
  disposition: string;
  /** Names a content that stays the same, so that a part of it can be sent; absent for any other. */
  tag?: string | undefined;
  /** The file in pieces; reading stops when the signal is aborted. */
  content(signal: AbortSignal): Pieces;
}

/** The length of files of which parts were asked for, in bytes by tag: finding it out takes reading the file. */
const LENGTHS = new BoundedMap<string, number>(1000);

/** The first and last byte of the part that a request asks for; `null`: the whole file. */
async function askedPart(
  request: Request,
  download: Download,
  signal: AbortSignal,
): Promise<{ start: number; end: number; length: number } | null> {
  const { tag } = download;
  const condition = request.headers['if-range'];
  if (tag === undefined || request.method !== 'GET' || request.headers.range === undefined) return null;
  if (condition !== undefined && condition !== `"${tag}"`) return null;
  let length = LENGTHS.get(tag);
  if (length === undefined) {
    length = 0;
    for await (const piece of download.content(signal)) length += Buffer.byteLength(piece);
    LENGTHS.set(tag, length);
  }
  const ranges = request.range(length);
  if (ranges === -1) {
    throw httpErrors.range_not_satisfiable(
      `The file has ${length} bytes; the header Range asks for others.`,
      {
        headers: { 'Content-Range': `bytes */${length}` },
      },
    );
  }
  const [range] = typeof ranges === 'object' && ranges.type === 'bytes' && ranges.length === 1 ? ranges : [];
  return range === undefined ? null : { ...range, length };
}

async function* part(pieces: Pieces, { start, end }: { start: number; end: number }): Pieces {
  let at = 0;
  for await (const piece of pieces) {
    const bytes = Buffer.from(piece);
    const from = at;
    at += bytes.length;
    if (at > start) yield bytes.subarray(Math.max(0, start - from), end + 1 - from);
    if (at > end) return;
  }
}

/**
 * Streams a file at the client's pace, or the part that the header `Range` names. All refusals happen before the first
 * byte. A later failure cuts the connection, so that half a file never looks like a whole one.
 * @throws DomainError 416 `range_not_satisfiable`
 */
export async function sendDownload(response: Response, download: Download, logger: Logger): Promise<void> {
  const left = new AbortController();
  response.once('close', () => left.abort());
  const { req: request } = response;
  const { tag } = download;
  try {
    const asked = await askedPart(request, download, left.signal);
    const whole = download.content(left.signal);
    const pieces = asked === null ? whole : part(whole, asked);
    const first = await pieces.next();
    response.set({
      'Content-Type': download.type,
      'Content-Disposition': download.disposition,
      'Cache-Control': 'no-store',
    });
    if (tag !== undefined) {
      // The tag is that of the uncompressed bytes. A weak one tells that the bytes of this answer may be others.
      const isCompressed = asked === null && request.acceptsEncodings('br', 'gzip', 'deflate') !== false;
      response.set({ ETag: isCompressed ? `W/"${tag}"` : `"${tag}"`, 'Accept-Ranges': 'bytes' });
    }
    if (asked !== null) {
      const { start, end, length } = asked;
      response.status(206).set({
        'Content-Range': `bytes ${start}-${end}/${length}`,
        'Content-Length': String(end - start + 1),
      });
    }
    if (request.method === 'HEAD') response.end();
    else await pipeline(Readable.from(startingWith(first, pieces), { highWaterMark: 1 }), response);
  } catch (error) {
    if (left.signal.aborted && !response.headersSent) return;
    if (!response.headersSent) throw error;
    if (!clientWentAway(error)) logger.error('A download broke off', error);
  }
}

async function* startingWith(
  first: IteratorResult<string | Buffer, void>,
  rest: AsyncIterable<string | Buffer>,
): Pieces {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function clientWentAway(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** Characters that some file system refuses, and invisible ones that make a name look like another (bidi overrides). */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\/:*?"<>|]/gu;
const EXTENSION = /\.(?:csv|json|jsonl|ndjson|ods|tsv|txt|xlsm|xlsx)$/i;

/** A safe name for a download, derived from the batch's file name: `members.csv` → `members-failed.jsonl`. */
export function downloadName(fileName: string, set: string, format: string): string {
  const base = fileName
    .toWellFormed()
    .replace(UNSAFE, '_')
    .replace(EXTENSION, '')
    .replace(/^[. ]+|[. ]+$/g, '');
  return `${base.slice(0, 150).toWellFormed() || 'import'}-${set}.${format}`;
}

/** Content-Disposition (RFC 6266): the name in ASCII for old programs, and the exact name in the form of RFC 5987. */
export function contentDisposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_');
  const exact = encodeURIComponent(name).replace(/['()*!]/g, (character) => percentEncoded(character));
  return `attachment; filename="${ascii}"; filename*=UTF-8''${exact}`;
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
