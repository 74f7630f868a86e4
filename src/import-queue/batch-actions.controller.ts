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
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { BatchActionsService } from './batch-actions.service.js';
import { BatchRetryService } from './batch-retry.service.js';

/** On each method: on the class it would count for none, since Nest knows the status of every method. */
const AnswersTheBatch = () =>
  ApiAcceptedResponse({ description: 'The batch as it is now', schema: refTo('Batch') });

@ApiTags('Batches')
@ApiParam({ name: 'id', type: 'integer' })
@ApiNotFoundResponse({ description: 'batch_not_found' })
@ApiConflictResponse({ description: 'state_conflict, with currentStatus' })
@Controller('API/WorkflowImportQueue/Batches/:id')
@RequirePermission('ManageImports')
export class BatchActionsController {
  constructor(private readonly actions: BatchActionsService) {}

  @Post('Cancel')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Cancel a batch',
    description: 'What is being processed is finished, all other records end as canceled.',
  })
  cancel(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('cancel', id, principal);
  }

  @Post('Pause')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Pause a batch',
    description: 'What is being processed is finished, nothing else is begun until it is resumed.',
  })
  pause(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('pause', id, principal);
  }

  @Post('Resume')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({ summary: 'Go on with a paused batch' })
  resume(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('resume', id, principal);
  }

  @Post('Confirm')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Process an upload that awaits confirmation',
    description: 'Its valid records are queued; the invalid ones stay as they are.',
  })
  confirm(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('confirm', id, principal);
  }

  @Post('Abandon')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Give up an upload that awaits confirmation',
    description:
      'Nothing of it is processed: its records end as canceled, nobody gets a mail. Refused ones can be mended and sent again.',
  })
  abandon(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('abandon', id, principal);
  }
}

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
