import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
} from '@nestjs/common';
import type { Response } from 'express';
import { defer, from, lastValueFrom, type Observable } from 'rxjs';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { beforeNextCommit } from '../platform/instrumentation.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { AuthenticatedRequest } from './access.js';
import {
  idempotencyAnswerLost,
  idempotencyKeyInUse,
  idempotencyKeyReused,
  invalidIdempotencyKey,
} from './auth.errors.js';
import { parseAuthorization } from './authenticator.js';
import type { Principal } from './principal.js';

/** How long a dead call blocks its key. A live call renews its lock four times in this period. */
const LOCK_SECONDS = 10;

/** The key is held by this call until it is completed or released. */
export interface HeldKey {
  kind: 'held';
  principal: string;
  key: string;
  owner: string;
  renewal: NodeJS.Timeout;
}

/** The first call was carried out. A repeated request gets the same answer. */
export interface AnsweredKey {
  kind: 'answered';
  requestHash: Buffer;
  batchId: number | null;
  /** `null` if the process died between the commit and the answer. */
  response: JsonObject | null;
}

/** What is stored under a key. */
interface KeyRow {
  requestHash: Buffer | null;
  batchId: number | null;
  response: JsonObject | null;
  isRunning: boolean;
}

/** Who calls, with the headers that name the key and prove the identity. */
type KeyedRequest = Pick<AuthenticatedRequest, 'headers' | 'principal'>;

/** The part of an answer that is repeated. */
interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

/** What identifies a request, so that another one with the same key is refused. */
export interface RequestHash {
  /** Of a request that was carried out, so that its body has been read. */
  ofRead: () => Buffer;
  /** Of a request that is not carried out; reads its body. */
  ofUnread: () => Promise<Buffer>;
}

/** @throws DomainError 400 `invalid_idempotency_key` */
export function readIdempotencyKey({ 'idempotency-key': header }: IncomingHttpHeaders): string | null {
  if (header === undefined) return null;
  if (typeof header !== 'string') throw invalidIdempotencyKey();
  // The header is a structured string, so "k" and k are the same key.
  const key = /^"(?:[^"\\]|\\["\\])*"$/.test(header) ? header.slice(1, -1).replace(/\\(.)/g, '$1') : header;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw invalidIdempotencyKey();
  return key;
}

/**
 * Idempotency keys, per principal. The transaction that carries out a call also notes that under its key, so one never
 * exists without the other. A call that fails frees its key, because it stored nothing.
 */
@Injectable()
export class IdempotencyService {
  private readonly logger = new Logger(IdempotencyService.name);
  private readBatch: (id: number, principal: Principal) => Promise<object | null> = () =>
    Promise.resolve(null);

  constructor(private readonly database: DatabaseService) {}

  /** Who reads a batch that a call made, if the process died before it answered. */
  readBatchesWith(read: (id: number, principal: Principal) => Promise<object>): void {
    this.readBatch = read;
  }

  /**
   * Runs a call under the `Idempotency-Key` of its request, or repeats the answer of the first call with that key.
   * Without the header it just runs the call.
   * @throws DomainError 400 `invalid_idempotency_key`, 409 `idempotency_key_in_use`, 422 `idempotency_key_reused`, 409
   *   `idempotency_answer_lost`, and what the call throws
   */
  async answer<Body>(
    request: KeyedRequest,
    response: Response,
    hash: RequestHash,
    call: () => Promise<Body>,
  ): Promise<Body> {
    const key = readIdempotencyKey(request.headers);
    if (key === null) return call();
    const { principal } = request;
    const found = await this.acquire(principal.id, key);
    if (found.kind === 'answered') {
      if (!(await hash.ofUnread()).equals(found.requestHash)) throw idempotencyKeyReused();
      const { status, headers, body } = await this.kept(found, request);
      response.status(status).set({ ...headers, 'Idempotency-Replayed': 'true' });
      return body as Body;
    }
    let isCarriedOut = false;
    beforeNextCommit(async (transaction, batchId) => {
      await this.complete(transaction, found, { requestHash: hash.ofRead(), batchId, response: null });
      isCarriedOut = true;
    });
    try {
      const body = await call();
      const kept = { status: response.statusCode, headers: keptHeaders(response), body: body ?? null };
      const sealed = sealAnswer(kept, request);
      await this.keep(found, hash.ofRead(), sealed, isCarriedOut);
      return body;
    } catch (error) {
      // A refusal undoes what its call had begun, or leaves what the same call finds again.
      if (isCarriedOut && error instanceof DomainError && error.status < 500) await this.forget(found);
      throw error;
    } finally {
      beforeNextCommit(null);
      await this.release(found);
    }
  }

  private async kept({ response, batchId }: AnsweredKey, request: KeyedRequest): Promise<KeptAnswer> {
    const kept = response === null ? null : openAnswer(response, request);
    if (kept !== null) return kept;
    const batch = batchId === null ? null : await this.readBatch(batchId, request.principal);
    if (batch === null || batchId === null) throw idempotencyAnswerLost();
    const location = `/API/WorkflowImportQueue/Batches/${batchId}`;
    return { status: 202, headers: { location }, body: batch };
  }

  /** The call is carried out, so a failure here must not become its answer. */
  private async keep(held: HeldKey, hash: Buffer, sealed: JsonObject, isCarriedOut: boolean): Promise<void> {
    const write = this.database.query(
      `UPDATE idempotency_key SET request_hash = $4, response = $5
        WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL`,
      [held.principal, held.key, held.owner, hash, JSON.stringify(sealed)],
    );
    await write.catch((error: unknown) => {
      if (!isCarriedOut) throw error;
      this.logger.warn({ message: 'an answer was not kept for its Idempotency-Key', error: String(error) });
    });
  }

  /** @throws DomainError 409 `idempotency_key_in_use` while another call with this key runs */
  async acquire(principal: string, key: string): Promise<HeldKey | AnsweredKey> {
    const owner = randomUUID();
    const { rowCount } = await this.database.query(ACQUIRE, [principal, key, owner, LOCK_SECONDS]);
    if (rowCount === 1)
      return { kind: 'held', principal, key, owner, renewal: this.renewing(principal, key, owner) };

    const { rows } = await this.database.query<KeyRow>(
      `SELECT request_hash AS "requestHash", workflow_import_queue_batch_id AS "batchId", response,
              response IS NULL AND locked_until >= now() AS "isRunning"
         FROM idempotency_key WHERE principal = $1 AND key = $2`,
      [principal, key],
    );
    const [found] = rows;
    if (found === undefined || found.requestHash === null || found.isRunning) throw idempotencyKeyInUse();
    const { requestHash, batchId, response } = found;
    return { kind: 'answered', requestHash, batchId, response };
  }

  /**
   * Notes in the transaction of a call that it was carried out.
   * @throws DomainError 409 if another call has taken over the key
   */
  async complete(
    transaction: Sql,
    held: HeldKey,
    answer: { requestHash: Buffer; batchId: number | null; response: object | null },
  ): Promise<void> {
    const { rowCount } = await transaction.query(
      `UPDATE idempotency_key SET request_hash = $4, workflow_import_queue_batch_id = $5, response = $6
       WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL`,
      [
        held.principal,
        held.key,
        held.owner,
        answer.requestHash,
        answer.batchId,
        answer.response === null ? null : JSON.stringify(answer.response),
      ],
    );
    if (rowCount !== 1) throw idempotencyKeyInUse();
  }

  /**
   * Ends the renewal, and frees the key unless the call was carried out. Never throws: a lock left behind expires.
   */
  async release(held: HeldKey): Promise<void> {
    clearInterval(held.renewal);
    const { principal, key, owner } = held;
    await this.quietly(this.database.query(RELEASE, [principal, key, owner]));
  }

  private forget({ principal, key, owner }: HeldKey): Promise<void> {
    return this.quietly(this.database.query(FORGET, [principal, key, owner]));
  }

  private async quietly(done: Promise<unknown>): Promise<void> {
    await done.catch((error: unknown) =>
      this.logger.warn({ message: 'an Idempotency-Key stays locked', error: String(error) }),
    );
  }

  private renewing(principal: string, key: string, owner: string): NodeJS.Timeout {
    const renew = () => {
      // The next renewal makes up for a failed one. If all fail, the key is lost, and `complete` detects that.
      this.database.query(RENEW, [principal, key, owner, LOCK_SECONDS]).catch(() => undefined);
    };
    return setInterval(renew, (LOCK_SECONDS * 1000) / 4).unref();
  }
}

/** Routes that pass on their own body's hash: no middleware has read the body. Express ignores case in paths. */
const HASH_THEMSELVES =
  /^\/API\/WorkflowImportQueue\/(CreateBatch|Uploads|Uploads\/Parts\/[^/]+|ImportProcesses\/FromFile)\/?$/i;
const IS_READ: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Every other route of the API that changes something takes an Idempotency-Key. Runs after bodies were parsed. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly idempotency: IdempotencyService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest & { principal?: Principal }>();
    const { path, method } = request;
    if (IS_READ.has(method) || !/^\/API\//i.test(path) || HASH_THEMSELVES.test(path)) return next.handle();
    const hash = () => hashOf([method, path, request.query, request.headers['if-match']], request.body);
    const call = () => lastValueFrom(next.handle(), { defaultValue: undefined });
    return defer(() =>
      from(
        this.idempotency.answer(
          request,
          http.getResponse<Response>(),
          { ofRead: hash, ofUnread: () => Promise.resolve(hash()) },
          call,
        ),
      ),
    );
  }
}

/** SHA-256 over what names the call, and its body. */
function hashOf(call: unknown, body: unknown): Buffer {
  const bytes = Buffer.isBuffer(body) ? body : (JSON.stringify(body ?? null) ?? '');
  return createHash('sha256').update(JSON.stringify(call)).update(bytes).digest();
}

function keptHeaders(response: Response): Record<string, string> {
  return Object.fromEntries(
    ['location', 'etag'].flatMap((name) => {
      const value = response.getHeader(name);
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

/**
 * Answers may hold a new key or what is known about a person. They are stored encrypted with what the caller proves its
 * identity by, of which only a hash is stored: no one can read them but the caller.
 */
function answerKey({ headers }: KeyedRequest): Buffer {
  const credentials = parseAuthorization(headers.authorization);
  const secret = credentials.scheme === 'key' ? credentials.key : (headers.cookie ?? '');
  return Buffer.from(hkdfSync('sha256', secret, '', 'workflow-import-queue kept answers', 32));
}

function sealAnswer(answer: KeptAnswer, request: KeyedRequest): JsonObject {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', answerKey(request), nonce);
  const text = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()]);
  return { sealed: Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64') };
}

/** `null` if the caller has signed in again since. */
function openAnswer({ sealed }: JsonObject, request: KeyedRequest): KeptAnswer | null {
  const bytes = Buffer.from(typeof sealed === 'string' ? sealed : '', 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', answerKey(request), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
    return JSON.parse(text.toString()) as KeptAnswer;
  } catch {
    return null;
  }
}

const ACQUIRE = `
  INSERT INTO idempotency_key AS held (principal, key, owner, locked_until)
  VALUES ($1, $2, $3, now() + make_interval(secs => $4))
  ON CONFLICT (principal, key) DO UPDATE SET owner = excluded.owner, locked_until = excluded.locked_until
    WHERE held.response IS NULL AND held.request_hash IS NULL AND held.locked_until < now()`;

const RENEW = `
  UPDATE idempotency_key SET locked_until = now() + make_interval(secs => $4)
  WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL`;

/** The lock of a call without an answer is over, so that the next one learns what happened. */
const RELEASE = `
  WITH freed AS (
    DELETE FROM idempotency_key
     WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL AND request_hash IS NULL)
  UPDATE idempotency_key SET locked_until = now() - interval '1 second'
   WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL AND request_hash IS NOT NULL`;

const FORGET =
  'DELETE FROM idempotency_key WHERE principal = $1 AND key = $2 AND owner = $3 AND response IS NULL';
