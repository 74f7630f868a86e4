import { Controller, Delete, Head, HttpCode, Param, Patch, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiConsumes,
  ApiHeader,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { type AuthenticatedRequest, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { batchPath } from '../batches/batch-resource.js';
import { LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { ResumableUploads, type SealedAnswer, type UploadProgress } from './resumable-uploads.service.js';

const TOKEN = { name: 'token', description: 'The last part of the Location that began the upload.' };
const NOT_FOUND = { description: 'upload_not_found' };

/** Uploads that arrive in several requests: draft-ietf-httpbis-resumable-upload. */
@ApiTags('Import queue')
@Controller('API/WorkflowImportQueue/Uploads/Parts')
@RequirePermission('BeginWorkflowImportProcess')
export class UploadPartsController {
  constructor(private readonly uploads: ResumableUploads) {}

  @Head(':token')
  @HttpCode(204)
  @ApiOperation({ summary: 'How many bytes of an upload have arrived' })
  @ApiParam(TOKEN)
  @ApiNoContentResponse({ description: 'Upload-Offset, Upload-Complete, Upload-Length, Upload-Limit' })
  @ApiNotFoundResponse(NOT_FOUND)
  async offset(
    @Param('token') token: string,
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    setProgress(response, await this.uploads.progress(token, principal));
  }

  @Patch(':token')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Append the next bytes of an upload',
    description:
      'With `Upload-Complete: ?1` the upload is complete, and the answer is that of the route that began it.',
  })
  @ApiParam(TOKEN)
  @ApiConsumes('application/partial-upload')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiHeader({ name: 'Upload-Offset', required: true, description: 'The bytes that have arrived.' })
  @ApiHeader({ name: 'Upload-Complete', required: true, description: '`?1` if nothing follows, else `?0`.' })
  @ApiNoContentResponse({ description: 'The bytes are stored.' })
  @ApiAcceptedResponse({
    description: 'The upload is complete.',
    schema: { oneOf: [refTo('CreatedBatch'), refTo('Batch')] },
    headers: LOCATION,
  })
  @ApiBadRequestResponse({
    description: 'invalid_upload_request, inconsistent_upload_length; as CreateBatch, Uploads',
  })
  @ApiConflictResponse({ description: 'upload_offset_mismatch, with the right Upload-Offset' })
  @ApiNotFoundResponse(NOT_FOUND)
  async append(
    @Param('token') token: string,
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SealedAnswer | undefined> {
    const { progress, answer } = await this.uploads.append(token, request, response);
    setProgress(response, progress);
    if (answer === null) return undefined;
    response.status(202).location(batchPath(answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
    return answer;
  }

  @Delete(':token')
  @HttpCode(204)
  @ApiOperation({ summary: 'Cancel an upload' })
  @ApiParam(TOKEN)
  @ApiNoContentResponse({ description: 'Its bytes are deleted.' })
  @ApiNotFoundResponse(NOT_FOUND)
  cancel(@Param('token') token: string, @CurrentPrincipal() principal: Principal): Promise<void> {
    return this.uploads.cancel(token, principal);
  }
}

function setProgress(response: Response, { offset, length, isComplete, limits }: UploadProgress): void {
  response.set({
    'Upload-Offset': String(offset),
    'Upload-Complete': isComplete ? '?1' : '?0',
    'Upload-Limit': limits,
    'Cache-Control': 'no-store',
    ...(length !== null && { 'Upload-Length': String(length) }),
  });
}
