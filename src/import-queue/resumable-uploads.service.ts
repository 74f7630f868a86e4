import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { AuthenticatedRequest } from '../auth/access.js';
import { IdempotencyService, readIdempotencyKey } from '../auth/idempotency.js';
import type { Principal } from '../auth/principal.js';
import { BatchReader } from '../batches/batch-reader.js';
import { batchPath, type BatchResource, type CreationAnswer } from '../batches/batch-resource.js';
import { UploadStore, UploadTakenError } from '../batches/upload-store.js';
import {
  countOpenUploadResources,
  deleteUnlinkedUpload,
  insertUpload,
  insertUploadResource,
  sealUpload,
  setUploadLength,
  takeUploadResource,
  type UploadResource,
} from '../batches/uploads.sql.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { validateQuery } from '../platform/http/validation.js';
import { AdmissionService } from './admission.service.js';
import { CreateBatchDto, readBodyHeaders, uploadComplete, UploadDto } from './create-batch.dto.js';
import {
  bodyTooLarge,
  inconsistentUploadLength,
  invalidUploadRequest,
  tooManyUnconfirmedUploads,
  unsupportedMediaType,
  uploadNotFound,
  uploadOffsetMismatch,
} from './import-queue.errors.js';
import { ImportQueueService } from './import-queue.service.js';
import { asRefusal, decodedPieces } from './intake/body-intake.js';
import { refuseUnsupported } from './intake/multipart-file.js';
import { type SealUpload, UploadsService } from './uploads.service.js';

const PARTIAL_UPLOAD = 'application/partial-upload';
const LIFETIME_SECONDS = 24 * 3600;
/** A form has boundaries and fields around its file. */
const AROUND_FILE_BYTES = 64 * 1024;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The headers that say how the whole body is to be read. */
const KEPT_HEADERS = ['content-type', 'content-encoding', 'idempotency-key'] as const;

type UploadRoute = UploadResource['route'];
/** The routes that can be resumed. */
export type ResumableRoute = Exclude<UploadRoute, 'Page'>;
/** The answer that a single request would have got. */
export type SealedAnswer = BatchResource | CreationAnswer;

/** How far an upload is. */
export interface UploadProgress {
  offset: number;
  length: number | null;
  isComplete: boolean;
  limits: string;
}

/** The sealing lost against another request; its transaction is rolled back. */
class AlreadySealedError extends Error {
  override readonly name = 'AlreadySealedError';
}

function integerHeader(headers: IncomingHttpHeaders, name: string): number | null {
  const value = String(headers[name] ?? '').trim();
  return /^\d{1,15}$/.test(value) ? Number(value) : null;
}

/**
 * Uploads that arrive in several requests, as draft-ietf-httpbis-resumable-upload describes. The bytes are stored as
 * they arrive; the request that completes them is answered as the single request would have been.
 */
@Injectable()
export class ResumableUploads {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly store: UploadStore,
    private readonly admission: AdmissionService,
    private readonly processes: CompiledImportProcesses,
    private readonly importQueue: ImportQueueService,
    private readonly uploads: UploadsService,
    private readonly reader: BatchReader,
    private readonly idempotency: IdempotencyService,
  ) {}

  /** The limits of new uploads, as the field `Upload-Limit` has them. */
  limits(route: UploadRoute = 'Page', ageSeconds = 0): string {
    return `max-size=${this.mostBytes(route)}, max-age=${Math.max(0, LIFETIME_SECONDS - ageSeconds)}`;
  }

  /**
   * Begins an upload with the first bytes, maybe none. Answers its token and the bytes that arrived.
   * @throws DomainError as the route does for its headers and import process
   */
  async begin(
    route: ResumableRoute,
    dto: { fileName: string; importProcessId: number },
    request: Readable & { headers: IncomingHttpHeaders; query: object },
    principal: Principal,
  ): Promise<{ token: string; offset: number }> {
    const { headers } = request;
    if (route === 'CreateBatch') readBodyHeaders(headers);
    else {
      refuseUnsupported(request);
      readIdempotencyKey(headers);
    }
    await this.processes.forNewBatch(dto.importProcessId, principal);
    const kept = KEPT_HEADERS.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value] as const] : [];
    });
    // A key may be given to another import process before the upload is complete.
    const importProcessId = String(dto.importProcessId);
    const query = { ...(request.query as Record<string, string>), importProcessId };
    return this.start(
      { route, fileName: dto.fileName, query, headers: Object.fromEntries(kept) },
      request,
      principal,
    );
  }

  /**
   * Begins the upload of a file that a page sends as it is; `Upload-Length` states its size.
   * @throws DomainError 400 `invalid_upload_request` without a size, 413
   */
  async beginFile(
    fileName: string,
    request: Readable & { headers: IncomingHttpHeaders },
    principal: Principal,
  ): Promise<{ token: string; offset: number }> {
    if (integerHeader(request.headers, 'upload-length') === null)
      throw invalidUploadRequest('State the size of the file in the header Upload-Length.');
    return this.start({ route: 'Page', fileName, query: {}, headers: {} }, request, principal);
  }

  private async start(
    { fileName, ...resource }: Pick<UploadResource, 'route' | 'query' | 'headers'> & { fileName: string },
    request: Readable & { headers: IncomingHttpHeaders },
    principal: Principal,
  ): Promise<{ token: string; offset: number }> {
    const { unconfirmedUploadsPerKey: most } = this.config;
    if (most > 0 && (await countOpenUploadResources(this.database, principal.id, most)) >= most)
      throw tooManyUnconfirmedUploads(most);
    const length = integerHeader(request.headers, 'upload-length');
    const mostBytes = this.mostBytes(resource.route);
    if (length !== null && length > mostBytes) throw bodyTooLarge(mostBytes);
    const id = randomUUID();
    await this.database.transaction(async (transaction) => {
      await insertUpload(transaction, { id, createdBy: principal.id, fileName });
      await insertUploadResource(transaction, { ...resource, id, length });
    });
    const offset = await this.receive(await this.take(id, principal, id), id, request);
    return { token: id, offset };
  }

  /** @throws DomainError 404 `upload_not_found` */
  async progress(token: string, principal: Principal): Promise<UploadProgress> {
    const resource = await this.take(token, principal);
    return this.progressOf(resource, resource.offset);
  }

  /**
   * Appends the body of a request. With `Upload-Complete: ?1` it seals the upload and answers as its route; sealing
   * again answers the same. A file that a page sends has no answer; it awaits what the page makes of it.
   * The response is marked as complete once all bytes are stored; an error after it is about what they say.
   * @throws DomainError 404 `upload_not_found`, 409 `upload_offset_mismatch`, 415, 400, 413; when sealing also as the route
   */
  async append(
    token: string,
    request: AuthenticatedRequest,
    response: Response,
  ): Promise<{ progress: UploadProgress; answer: SealedAnswer | null }> {
    const { headers, principal } = request;
    const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== PARTIAL_UPLOAD)
      throw unsupportedMediaType(type ?? '', `Send the next bytes as ${PARTIAL_UPLOAD}.`, PARTIAL_UPLOAD);
    const completes = uploadComplete(headers);
    const from = integerHeader(headers, 'upload-offset');
    if (completes === null || from === null)
      throw invalidUploadRequest(
        'PATCH needs the headers Upload-Complete (?0 or ?1) and Upload-Offset (a number).',
      );
    const writer = randomUUID();
    const resource = await this.take(token, principal, writer);
    if (from !== resource.offset) throw uploadOffsetMismatch(resource.offset, from);
    if (resource.batchId !== null) {
      if (!completes) throw uploadOffsetMismatch(resource.offset, from);
      return this.sealed(resource, await this.replay(resource.batchId, resource, principal));
    }
    await this.recordLength(resource, headers, completes);
    const offset = await this.receive(resource, writer, request);
    if (!completes) return { progress: this.progressOf(resource, offset), answer: null };
    if (resource.length !== null && offset !== resource.length)
      throw inconsistentUploadLength(offset, resource.length);
    response.set('Upload-Complete', '?1');
    if (resource.route === 'Page') return { progress: this.progressOf(resource, offset), answer: null };
    return this.sealed({ ...resource, offset }, await this.seal({ ...resource, offset }, request, response));
  }

  /** @throws DomainError 404 `upload_not_found` */
  async cancel(token: string, principal: Principal): Promise<void> {
    const { id } = await this.take(token, principal);
    await deleteUnlinkedUpload(this.database, id);
  }

  /** The upload, taken over from requests that still append to it. */
  private async take(
    token: string,
    principal: Principal,
    writer: string = randomUUID(),
  ): Promise<UploadResource> {
    if (!UUID.test(token)) throw uploadNotFound();
    const resource = await takeUploadResource(this.database, token, principal.id, writer);
    if (resource === null) throw uploadNotFound();
    return resource;
  }

  private async recordLength(
    resource: UploadResource,
    headers: IncomingHttpHeaders,
    completes: boolean,
  ): Promise<void> {
    const content = completes ? integerHeader(headers, 'content-length') : null;
    const stated = [
      integerHeader(headers, 'upload-length'),
      content === null ? null : resource.offset + content,
    ].filter((length) => length !== null);
    for (const length of stated) {
      if (resource.length !== null && resource.length !== length)
        throw inconsistentUploadLength(length, resource.length);
      resource.length = length;
    }
    if (resource.length === null) return;
    if (resource.length > this.mostBytes(resource.route)) throw bodyTooLarge(this.mostBytes(resource.route));
    await setUploadLength(this.database, resource.id, resource.length);
  }

  /** Stores the bytes of a request; those that arrived before an error, too. */
  private async receive(resource: UploadResource, writer: string, body: Readable): Promise<number> {
    const { id, offset } = resource;
    const pieces = this.bounded(resource, decodedPieces(body, 'identity', this.config));
    try {
      return await this.store.append({ id, writer, offset }, pieces);
    } catch (error) {
      if (error instanceof UploadTakenError) {
        const { offset: expected } = await this.progressById(id);
        throw uploadOffsetMismatch(expected, offset);
      }
      throw asRefusal(error, this.config);
    }
  }

  /** @throws DomainError once there are more bytes than announced or allowed; the upload is then deleted */
  private async *bounded({ id, route, length, offset }: UploadResource, pieces: AsyncIterable<Buffer>) {
    const most = this.mostBytes(route);
    let size = offset;
    for await (const piece of pieces) {
      size += piece.length;
      if (size > most || (length !== null && size > length)) {
        await deleteUnlinkedUpload(this.database, id);
        throw size > most ? bodyTooLarge(most) : inconsistentUploadLength(size, length ?? 0);
      }
      yield piece;
    }
  }

  private async progressById(id: string): Promise<{ offset: number }> {
    const { rows } = await this.database.query<{ offset: number }>(
      'SELECT size AS "offset" FROM upload WHERE upload_id = $1',
      [id],
    );
    const [found] = rows;
    if (found === undefined) throw uploadNotFound();
    return found;
  }

  /** Makes the batch from the stored bytes, as the route does from the body of a request. */
  private async seal(
    resource: UploadResource,
    { headers: sent, principal }: AuthenticatedRequest,
    response: Response,
  ): Promise<SealedAnswer> {
    const { id, route, query, headers, offset: size } = resource;
    const leave = await this.admission.enter(principal, new AbortController().signal);
    try {
      const file = await this.store.open({ id, size });
      const body = Object.assign(Readable.from(file.pieces(), { objectMode: false }), { headers });
      const seal: SealUpload = async (transaction, batchId, answer) => {
        if (!(await sealUpload(transaction, id, batchId, answer))) throw new AlreadySealedError();
      };
      if (route === 'Uploads') {
        const dto = validateQuery(UploadDto, query);
        const hash = this.uploads.hashOf(dto, body);
        // The key is that of the request that began the upload.
        const keyed = { headers: { ...sent, 'idempotency-key': headers['idempotency-key'] }, principal };
        return await this.idempotency.answer(keyed, response, hash, async () => {
          const batch = await this.uploads.upload(dto, body, principal, { seal, hash });
          response.status(202).location(batchPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
          return batch;
        });
      }
      const dto = validateQuery(CreateBatchDto, query);
      const created = await this.importQueue.createBatch(
        dto,
        readBodyHeaders(headers),
        body,
        principal,
        seal,
      );
      if (created.replayed) response.set('Idempotency-Replayed', 'true');
      return created.answer;
    } catch (error) {
      // Whoever sealed the upload meanwhile has also deleted its bytes, so the error may come from reading them.
      const { batchId, answer } = await this.take(id, principal);
      if (batchId !== null) return await this.replay(batchId, { route, answer }, principal);
      throw error instanceof AlreadySealedError ? uploadNotFound() : error;
    } finally {
      leave();
    }
  }

  private async replay(
    batchId: number,
    { route, answer }: Pick<UploadResource, 'route' | 'answer'>,
    principal: Principal,
  ): Promise<SealedAnswer> {
    if (route !== 'CreateBatch' || answer === null) return this.reader.get(batchId, principal);
    return answer as unknown as CreationAnswer;
  }

  private sealed(resource: UploadResource, answer: SealedAnswer) {
    return { progress: { ...this.progressOf(resource, resource.offset), isComplete: true }, answer };
  }

  private progressOf({ route, length, batchId, ageSeconds }: UploadResource, offset: number): UploadProgress {
    const hasArrived = route === 'Page' && offset === length;
    return {
      offset,
      length,
      isComplete: batchId !== null || hasArrived,
      limits: this.limits(route, ageSeconds),
    };
  }

  private mostBytes(route: UploadRoute): number {
    return this.config.maxBodyBytes + (route === 'Uploads' ? AROUND_FILE_BYTES : 0);
  }
}
