import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import { idempotencyKeyReused } from '../auth/auth.errors.js';
import { type AnsweredKey, type HeldKey, IdempotencyService } from '../auth/idempotency.js';
import type { Principal } from '../auth/principal.js';
import { apiCreationPath, BatchMaker, pinnedTo } from '../batches/batch-maker.js';
import { creationAnswer, type CreationAnswer } from '../batches/batch-resource.js';
import { controlOf, mailAddresses, NO_CONTROL } from '../batches/batch-state.js';
import { ImportQueueBatchEntity, type UploadFindings } from '../batches/entities.js';
import type { RecordCollector } from '../batches/record-collector.js';
import { assertMayReceiveMail } from '../delivery/mailer.js';
import { JsonLinesReader } from '../formats/json/json-lines-reader.js';
import { DEFAULT_READING } from '../formats/reading.js';
import { understoodJsonLines } from '../formats/upload-reader.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { faultPoint } from '../platform/instrumentation.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import { AdmissionService } from './admission.service.js';
import { type BodyHeaders, type CreateBatchDto, metadataOf, readControl } from './create-batch.dto.js';
import { bodyTooLarge } from './import-queue.errors.js';
import { BodyIntake, hashBody } from './intake/body-intake.js';
import { PreviewService } from './preview.service.js';
import type { SealUpload } from './uploads.service.js';

export interface CreatedBatch {
  answer: CreationAnswer;
  /** Whether the answer comes from an earlier call with the same Idempotency-Key. */
  replayed: boolean;
}

/** Creates batches: from the parsed DTO and the body stream to durable records and the first queued chunks. */
@Injectable()
export class ImportQueueService {
  constructor(
    private readonly config: AppConfig,
    private readonly admission: AdmissionService,
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly idempotency: IdempotencyService,
    private readonly scheduler: ChunkScheduler,
    private readonly previews: PreviewService,
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
    seal?: SealUpload,
  ): Promise<CreatedBatch> {
    assertMayUse(principal, dto.importProcessId);
    assertMayReceiveMail(this.config, mailAddresses(dto));
    if (headers.declaredBytes > this.config.maxBodyBytes) throw bodyTooLarge(this.config.maxBodyBytes);
    const { idempotencyKey } = headers;
    if (idempotencyKey === null) {
      return {
        answer: await this.store(dto, headers, body, principal, { key: null, seal }),
        replayed: false,
      };
    }
    // Checked before the import process is pinned, because it may have been disabled since the first call.
    const key = await this.idempotency.acquire(principal.id, idempotencyKey);
    if (key.kind === 'answered') {
      const bodyHash = await hashBody(body, headers.encoding, this.config);
      return { answer: replay(key, dto, bodyHash), replayed: true };
    }
    try {
      return { answer: await this.store(dto, headers, body, principal, { key, seal }), replayed: false };
    } finally {
      await this.idempotency.release(key);
    }
  }

  private async store(
    dto: CreateBatchDto,
    headers: BodyHeaders,
    body: Readable,
    principal: Principal,
    { key, seal }: { key: HeldKey | null; seal: SealUpload | undefined },
  ): Promise<CreationAnswer> {
    const asked = readControl(dto);
    const process = await this.processes.forNewBatch(dto.importProcessId, principal);
    const control = controlOf(process.pinned, asked);
    const { config } = this;
    const isDryRun = dto.validate === 'true';
    const intake = new BodyIntake(body, headers.encoding, config, config.chunkSize, process.compiled, {
      hashed: key !== null,
      reader: new JsonLinesReader(config.maxLineBytes),
      quota: this.admission.quotaOf(principal),
    });
    await intake.collectFirst();
    const { answer, queued } = await this.admission.whileReceiving(intake, principal, () =>
      intake.storing(() =>
        this.database.transaction(async (transaction) => {
          const batch = transaction.manager.create(ImportQueueBatchEntity, {
            fileName: dto.fileName,
            creationPath: apiCreationPath(dto.creationPath),
            createdBy: principal.id,
            metadata: metadataOf(dto),
            ...pinnedTo(process.pinned),
            ...(isDryRun ? {} : mailAddresses(dto)),
          });
          const chunks = await this.maker.save(
            transaction,
            batch,
            { kind: 'body', body: intake },
            isDryRun ? NO_CONTROL : control,
            isDryRun ? dryRunFindings : undefined,
            isDryRun,
          );
          const stored = creationAnswer(batch, config.publicUrl);
          if (key !== null) {
            const requestHash = hashRequest(dto, intake.bodyHash());
            await this.idempotency.complete(transaction, key, {
              requestHash,
              batchId: batch.id,
              response: stored,
            });
          }
          await seal?.(transaction, batch.id, { ...stored });
          faultPoint('intake.before-commit');
          return { answer: stored, queued: chunks };
        }),
      ),
    );
    faultPoint('intake.after-commit');
    if (isDryRun) {
      await this.previews.prepare(answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      return answer;
    }
    // Not awaited: the batch is durable, and the reconciler queues chunks that are not queued here.
    const { total, invalid } = answer.recordCounts;
    const batchId = answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    if (total > invalid) void this.scheduler.begin(batchId, queued);
    else void this.scheduler.advance(batchId);
    return answer;
  }
}

/** What a dry run keeps about its body, which is always JSON Lines. */
function dryRunFindings({ errorGroups }: RecordCollector): UploadFindings {
  return {
    understood: understoodJsonLines(DEFAULT_READING),
    columns: null,
    errorGroups: errorGroups.all(),
  };
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
  const { priority, notBefore, expiresAt, maxFailed, maxFailedPercent, canary, muteBehaviors } = dto;
  const control = { priority, notBefore, expiresAt, maxFailed, maxFailedPercent, canary, muteBehaviors };
  const parameters: unknown[] = [
    ...[fileName, importProcessId, creationPath, sendSuccessEmailTo, sendFailureEmailTo],
    // Parameters that earlier versions did not have are left out unless they are given, so that their keys stay valid.
    ...(Object.values(control).some((value) => value !== undefined) ? [control] : []),
    ...(dto.validate === 'true' ? ['validate'] : []),
    ...(dto.metadata === undefined ? [] : [dto.metadata]),
  ];
  return createHash('sha256').update(JSON.stringify(parameters)).update(bodyHash).digest();
}
