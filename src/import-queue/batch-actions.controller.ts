import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiConflictResponse,
  ApiNotFoundResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { CurrentPrincipal } from '../auth/current-principal.decorator.js';
import type { Principal } from '../auth/principal.js';
import { RequirePermission } from '../auth/require-permission.decorator.js';
import { BatchActionsService } from './batch-actions.service.js';
import { BatchIdPipe } from './results/batch-id.pipe.js';
import type { BatchResource } from './results/batch-resource.js';
import { refTo } from '../common/http/answer-schemas.js';

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
