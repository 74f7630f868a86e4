import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '@nestjs/common';
import type { Response } from 'express';

export interface Download {
  /** Value of Content-Type. */
  type: string;
  /** Value of Content-Disposition. */
  disposition: string;
  /** The file in pieces; reading stops when the signal is aborted. */
  content(signal: AbortSignal): AsyncGenerator<string | Buffer, void, undefined>;
}

/**
 * Streams a file at the client's pace. All refusals happen before the first byte. A later failure cuts the connection,
 * so that half a file never looks like a whole one.
 */
export async function sendDownload(response: Response, download: Download, logger: Logger): Promise<void> {
  const left = new AbortController();
  response.once('close', () => left.abort());
  try {
    const pieces = download.content(left.signal);
    const first = await pieces.next();
    response.set({
      'Content-Type': download.type,
      'Content-Disposition': download.disposition,
      'Cache-Control': 'no-store',
    });
    if (response.req.method === 'HEAD') response.end();
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
): AsyncGenerator<string | Buffer, void, undefined> {
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
