import { Controller, HttpCode, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, type AuthenticatedRequest } from '../../auth/current-principal.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { RequirePermission } from '../../auth/require-permission.decorator.js';
import { validateQuery } from '../../common/http/validate-query.js';
import { AdmissionInterceptor } from '../admission/admission.interceptor.js';
import { UploadDto } from '../dto/upload.dto.js';
import type { BatchResource } from '../results/batch-resource.js';
import { UploadDocs } from './upload.docs.js';
import { UploadsService } from './uploads.service.js';

@Controller('API/WorkflowImportQueue')
export class UploadsController {
  constructor(private readonly uploads: UploadsService) {}

  /** The body is not parsed here: the service reads it as a stream. */
  @Post('Uploads')
  @HttpCode(202)
  @RequirePermission('BeginWorkflowImportProcess')
  @UseInterceptors(AdmissionInterceptor)
  @UploadDocs()
  async upload(
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    const batch = await this.uploads.upload(validateQuery(UploadDto, request.query), request, principal);
    response.location(batch.links.self);
    return batch;
  }
}
