import { applyDecorators, Controller, HttpCode, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiConsumes,
  ApiNotFoundResponse,
  ApiOperation,
  ApiPayloadTooLargeResponse,
  ApiQuery,
  ApiRequestTimeoutResponse,
  ApiServiceUnavailableResponse,
  ApiTags,
  ApiTooManyRequestsResponse,
  ApiUnsupportedMediaTypeResponse,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { type AuthenticatedRequest, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { validateQuery } from '../platform/http/validation.js';
import { AdmissionInterceptor } from './admission.service.js';
import { UploadDto } from './upload.dto.js';
import { UploadsService } from './uploads.service.js';

/** What /docs says of Uploads, and what makes it possible to try it there. */
const UploadDocs = () =>
  applyDecorators(
    ApiTags('Import queue'),
    ApiOperation({
      summary: 'Upload a CSV or JSON Lines file, to be confirmed',
      description:
        'CSV and JSON Lines are told apart by content; so are encoding and delimiter of CSV, and what was understood is in the answer. ' +
        'The batch awaits confirmation: nothing is processed until `POST …/Batches/{id}/Confirm`. ' +
        'Of a file that was downloaded here, results of a batch or instances of a workflow, the columns `_line`, `_error`, `_id`, `_status`, ' +
        '`_step`, `_createdAt` and `_updatedAt` are left aside, formulas that were neutralised are restored, and a cell with nothing in it, ' +
        'not even quotes, is a value that is left as it is.',
    }),
    ApiQuery({ type: UploadDto }),
    ApiConsumes('multipart/form-data'),
    ApiBody({
      schema: {
        type: 'object',
        required: ['file'],
        properties: {
          mapping: {
            type: 'string',
            description: 'JSON object from headers of the file to columns of a row, or to null.',
          },
          file: { type: 'string', format: 'binary' },
        },
      },
    }),
    ApiAcceptedResponse({
      description: 'Every record is durable; the batch awaits confirmation.',
      schema: refTo('Batch'),
      headers: LOCATION,
    }),
    ApiBadRequestResponse({
      description:
        'Wrong parameters, no file, no record, or a file that cannot be read: malformed_csv, malformed_json_lines, duplicate_columns, undecodable_text.',
    }),
    ApiNotFoundResponse({ description: 'import_process_not_found' }),
    ApiConflictResponse({ description: 'import_process_disabled' }),
    ApiRequestTimeoutResponse({ description: 'body_too_slow' }),
    ApiTooManyRequestsResponse({
      description: 'rate_limit_exceeded; RateLimit, RateLimit-Policy, Retry-After',
    }),
    ApiServiceUnavailableResponse({
      description:
        'too_many_uploads, too_many_waiting_batches, database_unavailable; come back after Retry-After',
    }),
    ApiPayloadTooLargeResponse({ description: 'A limit is passed; the answer names it.' }),
    ApiUnsupportedMediaTypeResponse({ description: 'Not multipart, compressed, a spreadsheet, or no text.' }),
  );

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
