import { Controller, HttpCode, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Response } from 'express';
import { type AuthenticatedRequest, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import type { CreationAnswer } from '../batches/batch-resource.js';
import { validateQuery } from '../platform/http/validation.js';
import { AdmissionInterceptor } from './admission.service.js';
import { CreateBatchDocs } from './create-batch.docs.js';
import { CreateBatchDto } from './create-batch.dto.js';
import { ImportQueueService } from './import-queue.service.js';
import { readBodyHeaders } from './intake/request-headers.js';

@Controller('API/WorkflowImportQueue')
export class ImportQueueController {
  constructor(private readonly importQueue: ImportQueueService) {}

  /** The body is not parsed here: the service reads it as a stream. */
  @Post('CreateBatch')
  @HttpCode(202)
  @RequirePermission('BeginWorkflowImportProcess')
  @UseInterceptors(AdmissionInterceptor)
  @CreateBatchDocs()
  async createBatch(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<CreationAnswer> {
    const dto = validateQuery(CreateBatchDto, request.query);
    const { answer, replayed } = await this.importQueue.createBatch(
      dto,
      readBodyHeaders(request.headers),
      request,
      principal,
    );
    response.location(answer.links.self);
    if (replayed) response.setHeader('Idempotency-Replayed', 'true');
    return answer;
  }
}
