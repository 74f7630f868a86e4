import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { apiCreationPath, type NewBatch, storeBatch } from '../batches/batch-creation.js';
import { creationAnswer, type CreationAnswer } from '../batches/batch-resource.js';
import { JsonLinesReader } from '../formats/jsonl/json-lines-reader.js';
import { CompiledImportProcesses } from '../import-processes/compiled-import-processes.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { faultPoint } from '../platform/fault-points.js';
import { BatchFinisher } from '../processing/batch-finisher.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import { AdmissionService } from './admission.service.js';
import type { CreateBatchDto } from './create-batch.dto.js';
import { type AnsweredKey, type HeldKey, IdempotencyService } from './idempotency.service.js';
import { bodyTooLarge, idempotencyKeyReused } from './import-queue.errors.js';
import { BodyIntake, hashBody, MalformedMidwayError } from './intake/body-intake.js';
import type { BodyHeaders } from './intake/request-headers.js';

export interface CreatedBatch {
  answer: CreationAnswer;
  /** The answer is that of an earlier call with the same Idempotency-Key. */
  replayed: boolean;
}

/** Creates batches: from the parsed DTO and the body stream to durable records and the first queued chunks. */
@Injectable()
export class ImportQueueService {
  constructor(
    private readonly config: AppConfig,
    private readonly admission: AdmissionService,
    private readonly database: DatabaseService,
    private readonly importProcesses: ImportProcessesService,
    private readonly compiledProcesses: CompiledImportProcesses,
    private readonly idempotency: IdempotencyService,
    private readonly scheduler: ChunkScheduler,
    private readonly finisher: BatchFinisher,
  ) {}

  /**
   * Answers once the batch is durable in PostgreSQL. A refused call stored nothing.
   * @throws DomainError as docs/http-api.md lists for CreateBatch
   */
  async createBatch(
    dto: CreateBatchDto,
    headers: BodyHeaders,
    body: Readable,
    principal: Principal,
  ): Promise<CreatedBatch> {
    assertMayUse(principal, dto.importProcessId);
    if (headers.declaredBytes > this.config.maxBodyBytes) throw bodyTooLarge(this.config.maxBodyBytes);
    const { idempotencyKey } = headers;
    if (idempotencyKey === null) {
      return { answer: await this.store(dto, headers, body, principal, null), replayed: false };
    }
    // Checked before the import process is pinned, because it may have been disabled since the first call.
    const key = await this.idempotency.acquire(principal.id, idempotencyKey);
    if (key.kind === 'answered') {
      const bodyHash = await hashBody(body, headers.encoding, this.config);
      return { answer: replay(key, dto, bodyHash), replayed: true };
    }
    try {
      return { answer: await this.store(dto, headers, body, principal, key), replayed: false };
    } finally {
      await this.idempotency.release(key);
    }
  }

  private async store(
    dto: CreateBatchDto,
    headers: BodyHeaders,
    body: Readable,
    principal: Principal,
    key: HeldKey | null,
  ): Promise<CreationAnswer> {
    const process = await this.importProcesses.pin(dto.importProcessId);
    const batch: NewBatch = {
      fileName: dto.fileName,
      process,
      creationPath: apiCreationPath(dto.creationPath),
      sendSuccessEmailTo: dto.sendSuccessEmailTo ?? null,
      sendFailureEmailTo: dto.sendFailureEmailTo ?? null,
      createdBy: principal.id,
      retryOf: null,
    };
    const { compiled } = await this.compiledProcesses.get(
      process.id,
      process.version,
      process.workflowVersion,
    );
    const intake = new BodyIntake(body, headers.encoding, this.config, this.config.chunkSize, compiled, {
      hashed: key !== null,
      reader: new JsonLinesReader(this.config.maxLineBytes),
    });
    await intake.collectFirst();
    const idempotent = key === null ? null : { key, dto };
    return this.admission.whileReceiving(intake, () => this.storeCollected(batch, intake, idempotent));
  }

  private async storeCollected(
    batch: NewBatch,
    intake: BodyIntake,
    idempotent: { key: HeldKey; dto: CreateBatchDto } | null,
  ): Promise<CreationAnswer> {
    const { rows } = intake;
    const answer = await this.database
      .transaction(async (transaction) => {
        const id = await storeBatch(transaction, batch, rows, (writer) => intake.writeAll(writer));
        const counts = { total: rows.totalCount, invalid: rows.invalidCount };
        const stored = creationAnswer({ id, status: 'queued' }, counts, this.config.publicUrl);
        if (idempotent !== null) {
          const requestHash = hashRequest(idempotent.dto, intake.bodyHash());
          await this.idempotency.complete(transaction, idempotent.key, {
            requestHash,
            batchId: id,
            response: stored,
          });
        }
        faultPoint('intake.before-commit');
        return stored;
      })
      .catch((error: unknown) => {
        if (error instanceof MalformedMidwayError) return intake.refuseMalformed();
        throw error;
      });
    faultPoint('intake.after-commit');
    this.start(answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID, rows.totalCount > rows.invalidCount);
    return answer;
  }

  /** Not awaited: the batch is durable, and the reconciler starts any batch that was not started here. */
  private start(batchId: number, hasPending: boolean): void {
    void (hasPending
      ? this.scheduler.fill(batchId)
      : this.finisher.finishIfDone(batchId).catch(() => undefined));
  }
}

function replay(key: AnsweredKey, dto: CreateBatchDto, bodyHash: Buffer): CreationAnswer {
  if (!hashRequest(dto, bodyHash).equals(key.requestHash)) {
    throw idempotencyKeyReused();
  }
  return key.response as unknown as CreationAnswer;
}

/** SHA-256 over the parameters, in a fixed order, and the decoded body. */
function hashRequest(dto: CreateBatchDto, bodyHash: Buffer): Buffer {
  const { fileName, importProcessId, creationPath, sendSuccessEmailTo, sendFailureEmailTo } = dto;
  const parameters = [fileName, importProcessId, creationPath, sendSuccessEmailTo, sendFailureEmailTo];
  return createHash('sha256').update(JSON.stringify(parameters)).update(bodyHash).digest();
}
