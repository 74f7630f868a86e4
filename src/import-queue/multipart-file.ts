import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { DomainError } from '../platform/domain-error.js';
import { bodyTooLarge } from './intake/intake.errors.js';
import { declaredBytes } from './intake/request-headers.js';

/** Fields besides the file; they are small and stand before it. */
const FIELD_BYTES = 1024 * 1024;
const MOST_FIELDS = 20;
/** What stands around a file: boundaries, headers, the field `mapping`. A request may be so much longer than its file. */
const AROUND_FILE_BYTES = 64 * 1024;

export interface MultipartFile {
  /** Fields that came before the file. */
  fields: ReadonlyMap<string, string>;
  /** As the client calls it. */
  fileName: string | undefined;
  /** Ends when the file does; is destroyed when the rest of the request cannot be read. */
  file: Readable;
}

/**
 * Opens the multipart field `file` of a request, to be read as it arrives: nothing of it is collected.
 * @param maxFileBytes whoever reads the file counts its bytes; a request that says it is longer is not begun
 * @throws DomainError 415 when it is not multipart or is compressed, 413 when it says it is too long, 400 when it is
 *   damaged or has no such field
 */
export function openMultipartFile(request: IncomingMessage, maxFileBytes: number): Promise<MultipartFile> {
  const contentType = request.headers['content-type'] ?? '';
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity') throw encodedUpload(encoding);
  if (!/^multipart\/form-data\s*;/i.test(contentType)) throw notMultipart(contentType);
  if (declaredBytes(request.headers) > maxFileBytes + AROUND_FILE_BYTES) throw bodyTooLarge(maxFileBytes);
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    const parser = parserOf(request.headers as BusboyHeaders);
    let file: PassThrough | undefined;
    const fail = (error: Error) => {
      // What is still to come is thrown away by whoever answers.
      request.unpipe(parser);
      if (file === undefined) reject(error);
      else file.destroy(error);
    };
    parser.on('field', (name: string, value: string, nameTruncated: boolean, valueTruncated: boolean) => {
      if (nameTruncated || valueTruncated)
        fail(damaged(`the field ${name} is longer than ${FIELD_BYTES} bytes`));
      if (file !== undefined && name === 'mapping')
        fail(damaged('the field mapping must stand before the file'));
      fields.set(name, value);
    });
    parser.on('file', (name: string | undefined, stream: Readable, fileName?: string) => {
      stream.on('error', fail);
      if (name !== 'file' || file !== undefined) {
        stream.resume();
        return fail(unexpectedFile(name));
      }
      // Of our own, so that its end can wait until the request has proved whole.
      file = new PassThrough();
      // Whoever reads it is thrown the error; until somebody does, it would end the process.
      file.on('error', () => undefined);
      stream.pipe(file, { end: false });
      resolve({ fields, fileName, file });
    });
    parser.on('error', (error: unknown) => fail(damaged((error as Error).message, error)));
    parser.on('finish', () => (file === undefined ? fail(noFile()) : file.end()));
    request.once('aborted', () => fail(new Error('the client went away')));
    request.pipe(parser);
  });
}

function parserOf(headers: BusboyHeaders): BusboyInstance {
  try {
    return new Busboy({
      headers,
      limits: { fieldSize: FIELD_BYTES, fields: MOST_FIELDS, files: 2, fileSize: Infinity },
    });
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
}

function notMultipart(found: string): DomainError {
  return new DomainError(
    415,
    'unsupported_media_type',
    'The Content-Type is not accepted',
    `Content-Type ${JSON.stringify(found)} is not accepted. Send the file as multipart/form-data, in the field "file" (curl -F file=@members.csv), or JSON Lines to CreateBatch.`,
    { headers: { 'Accept-Post': 'multipart/form-data' } },
  );
}

/** No browser compresses what it sends from a form. */
function encodedUpload(found: string): DomainError {
  return new DomainError(
    415,
    'unsupported_content_encoding',
    'The Content-Encoding is not accepted',
    `Content-Encoding ${JSON.stringify(found)} is not accepted: send the form as it is. JSON Lines may be sent compressed to CreateBatch.`,
    { headers: { 'Accept-Encoding': 'identity' } },
  );
}

function noFile(): DomainError {
  return new DomainError(
    400,
    'file_missing',
    'The request holds no file',
    'The multipart field "file" is missing, or the field has no file name. Nothing was stored.',
  );
}

/** @param name `undefined` for a part that has a file name, and no name: what busboy's own types do not say */
function unexpectedFile(name = ''): DomainError {
  return new DomainError(
    400,
    'unexpected_file',
    'The request holds a file too many',
    `Send one file, in the field "file"; there is another in ${JSON.stringify(name.slice(0, 60))}. Nothing was stored.`,
  );
}

function damaged(reason: string, cause?: unknown): DomainError {
  return new DomainError(
    400,
    'malformed_multipart',
    'The multipart body is damaged',
    `The body cannot be read as multipart/form-data: ${reason}. Nothing was stored.`,
    { cause },
  );
}
