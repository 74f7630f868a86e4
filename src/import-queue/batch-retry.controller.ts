import { Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiConflictResponse,
  ApiNotFoundResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { CurrentPrincipal } from '../auth/current-principal.decorator.js';
import type { Principal } from '../auth/principal.js';
import { RequirePermission } from '../auth/require-permission.decorator.js';
import { BatchRetryService } from './batch-retry.service.js';
import { BatchIdPipe } from './results/batch-id.pipe.js';
import type { BatchResource } from './results/batch-resource.js';
import { LOCATION } from '../common/http/answer-headers.js';
import { refTo } from '../common/http/answer-schemas.js';

@ApiTags('Batches')
@Controller('API/WorkflowImportQueue/Batches')
@RequirePermission('ManageImports')
export class BatchRetryController {
  constructor(private readonly retries: BatchRetryService) {}

  @Post(':id/RetryFailed')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send the failed records again, as a new batch',
    description:
      'Records that failed, were invalid or unknown, under their own line numbers. The batch itself never changes.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiAcceptedResponse({
    description: 'The new batch; asked again, the same one.',
    schema: refTo('Batch'),
    headers: LOCATION,
  })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
  @ApiConflictResponse({ description: 'state_conflict: the batch has not ended, or nothing failed' })
  async retryFailed(
    @Param('id', BatchIdPipe) id: number,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    const child = await this.retries.retryFailed(id, principal);
    response.location(child.links.self);
    return child;
  }
}
