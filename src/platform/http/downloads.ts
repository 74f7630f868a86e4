import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '@nestjs/common';
import compression from 'compression';
import type { Request, RequestHandler, Response } from 'express';
import { BoundedMap } from '../concurrency.js';
import { httpErrors } from './http.errors.js';

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
