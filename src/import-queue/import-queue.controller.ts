import { Controller, HttpCode, Post, Query, Req, Res, UseInterceptors } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AuthenticatedRequest, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import { IdempotencyService } from '../auth/idempotency.js';
import type { Principal } from '../auth/principal.js';
import { batchPath, type BatchResource, type CreationAnswer } from '../batches/batch-resource.js';
import { AppConfig } from '../platform/config/config.js';
import { publicPath } from '../platform/http/answers.js';
import { AdmissionInterceptor } from './admission.service.js';
import {
  CreateBatchDto,
  ImportProcessKeyPipe,
  readBodyHeaders,
  uploadComplete,
  UploadDto,
} from './create-batch.dto.js';
import { CreateBatchDocs, UploadDocs } from './import-queue.docs.js';
import { ImportQueueService } from './import-queue.service.js';
import { type ResumableRoute, ResumableUploads } from './resumable-uploads.service.js';
import { UploadsService } from './uploads.service.js';

/** The routes that create batches. Their services read the body as a stream; no middleware parses it. */
@ApiTags('Import queue')
@Controller('API/WorkflowImportQueue')
@RequirePermission('BeginWorkflowImportProcess')
@UseInterceptors(AdmissionInterceptor)
export class ImportQueueController {
  constructor(
    private readonly importQueue: ImportQueueService,
    private readonly uploads: UploadsService,
    private readonly resumable: ResumableUploads,
    private readonly idempotency: IdempotencyService,
    private readonly config: AppConfig,
  ) {}

  @Post('CreateBatch')
  @HttpCode(202)
  @CreateBatchDocs()
  async createBatch(
    @Query(ImportProcessKeyPipe) query: CreateBatchDto,
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<CreationAnswer | undefined> {
    if (uploadComplete(request.headers) === false)
      return this.begin('CreateBatch', query, request, response, principal);
    const headers = readBodyHeaders(request.headers);
    const { answer, replayed } = await this.importQueue.createBatch(query, headers, request, principal);
    response.location(batchPath(answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
    if (replayed) response.setHeader('Idempotency-Replayed', 'true');
    return answer;
  }

  @Post('Uploads')
  @HttpCode(202)
  @UploadDocs()
  async upload(
    @Query(ImportProcessKeyPipe) query: UploadDto,
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource | undefined> {
    if (uploadComplete(request.headers) === false)
      return this.begin('Uploads', query, request, response, principal);
    const hash = this.uploads.hashOf(query, request);
    return this.idempotency.answer(request, response, hash, async () => {
      const batch = await this.uploads.upload(query, request, principal, { hash });
      response.location(batchPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
      return batch;
    });
  }

  /** The first of several requests: the upload continues at its own address. */
  private async begin(
    route: ResumableRoute,
    query: CreateBatchDto | UploadDto,
    request: AuthenticatedRequest,
    response: Response,
    principal: Principal,
  ): Promise<undefined> {
    const { token, offset } = await this.resumable.begin(route, query, request, principal);
    response.status(201).set({
      Location: `${publicPath(this.config.publicUrl)}/API/WorkflowImportQueue/Uploads/Parts/${token}`,
      'Upload-Complete': '?0',
      'Upload-Offset': String(offset),
      'Upload-Limit': this.resumable.limits(route),
    });
  }
}
