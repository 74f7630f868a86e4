import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { declaredBytes } from '../create-batch.dto.js';
import {
  bodyTooLarge,
  fileMissing,
  malformedMultipart,
  unexpectedFile,
  unsupportedContentEncoding,
  unsupportedMediaType,
} from '../import-queue.errors.js';

/** Fields besides the file are small and come before it. */
const MAX_FIELD_BYTES = 1024 * 1024;
const MAX_FIELDS = 20;
/** Boundaries, headers and the field `mapping`: a request may exceed the limit of its file by this much. */
const AROUND_FILE_BYTES = 64 * 1024;

/** A request, or the stored bytes of one. */
export type MultipartRequest = Readable & Pick<IncomingMessage, 'headers'>;

export interface MultipartFile {
  /** Fields that came before the file. */
  fields: ReadonlyMap<string, string>;
  /** The file name that the client states. */
  fileName: string | undefined;
  /** Ends when the file does; is destroyed if the rest of the request cannot be read. */
  file: Readable;
}

/**
 * Opens the multipart field `file` of a request for reading as it arrives, without buffering it.
 * @param maxFileBytes refuses a request that declares a greater length; the reader of the file counts the actual bytes
 * @throws DomainError 415 if the request is not multipart or is compressed, 413 if its declared length exceeds the
 *   limit, 400 if it is damaged or lacks the field
 */
export function openMultipartFile(request: MultipartRequest, maxFileBytes: number): Promise<MultipartFile> {
  refuseUnsupported(request);
  if (declaredBytes(request.headers) > maxFileBytes + AROUND_FILE_BYTES) throw bodyTooLarge(maxFileBytes);
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    const parser = parserFor(request.headers as BusboyHeaders);
    let file: PassThrough | undefined;
    const fail = (error: Error) => {
      // The filter that answers the request drops the bytes that still arrive.
      request.unpipe(parser);
      if (file === undefined) reject(error);
      else file.destroy(error);
    };
    parser.on('field', (name: string, value: string, nameTruncated: boolean, valueTruncated: boolean) => {
      if (nameTruncated || valueTruncated) {
        fail(malformedMultipart(`the field ${name} is longer than ${MAX_FIELD_BYTES} bytes`));
      }
      if (file !== undefined && name === 'mapping') {
        fail(malformedMultipart('the field mapping must come before the file'));
      }
      fields.set(name, value);
    });
    parser.on('file', (name: string | undefined, stream: Readable, fileName?: string) => {
      stream.on('error', fail);
      if (name !== 'file' || file !== undefined) {
        stream.resume();
        return fail(unexpectedFile(name));
      }
      // A separate stream, so that its end can wait until the whole request has proved to be valid.
      file = new PassThrough();
      // The reader gets the error; until there is a reader, an unhandled error would end the process.
      file.on('error', () => undefined);
      stream.pipe(file, { end: false });
      resolve({ fields, fileName, file });
    });
    parser.on('error', (error: unknown) => fail(malformedMultipart((error as Error).message, error)));
    parser.on('finish', () => (file === undefined ? fail(fileMissing()) : file.end()));
    request.once('aborted', () => fail(new Error('the client went away')));
    request.pipe(parser);
  });
}

export function refuseUnsupported({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity') {
    const advice = 'Send the form uncompressed. Only CreateBatch accepts compressed JSON Lines.';
    throw unsupportedContentEncoding(encoding, advice, 'identity');
  }
  const contentType = headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*;/i.test(contentType)) {
    const advice =
      'Send the file as multipart/form-data, in the field "file" (curl -F file=@members.csv), or JSON Lines to CreateBatch.';
    throw unsupportedMediaType(contentType, advice, 'multipart/form-data');
  }
}

function parserFor(headers: BusboyHeaders): BusboyInstance {
  try {
    return new Busboy({
      headers,
      limits: { fieldSize: MAX_FIELD_BYTES, fields: MAX_FIELDS, files: 2, fileSize: Infinity },
    });
  } catch (error) {
    throw malformedMultipart((error as Error).message, error);
  }
}
