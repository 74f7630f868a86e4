import { Body, Controller, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiGoneResponse,
  ApiNotFoundResponse,
  ApiOperation,
  ApiParam,
  ApiPayloadTooLargeResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe, BatchReader } from '../batches/batch-reader.js';
import { batchPath, type BatchResource } from '../batches/batch-resource.js';
import { ReadDto } from '../import-processes/reading.dto.js';
import { LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { validateBody } from '../platform/http/validation.js';
import { BatchActionsService, BatchDeletionService, BatchRetryService } from './batch-actions.service.js';
import { ResolveDto } from './batches.dto.js';
import { readControl, RunControlDto } from './create-batch.dto.js';
import { FIX_BODY, readFixBody } from './fix-body.js';
import { FixService } from './fix.service.js';
import { UndoService } from './undo.service.js';
import { UploadReadingService } from './upload-reading.service.js';

/** Must decorate each method: Nest sets a status for every method, so a decorator on the class would have no effect. */
const AnswersTheBatch = () =>
  ApiAcceptedResponse({ description: 'The batch as it is now', schema: refTo('Batch') });

/** Changes batches: cancel, pause, resume, confirm, abandon, retry, undo and delete. */
@ApiTags('Batches')
@ApiParam({ name: 'id', type: 'integer' })
@ApiNotFoundResponse({ description: 'batch_not_found' })
@ApiConflictResponse({
  description:
    'state_conflict, with currentStatus; of RetryFailed also if no record failed; of Undo also if none changed anything, and already_undone, undo_not_supported',
})
@Controller('API/WorkflowImportQueue/Batches/:id')
@RequirePermission('ManageImports')
export class BatchActionsController {
  constructor(
    private readonly actions: BatchActionsService,
    private readonly retries: BatchRetryService,
    private readonly fixes: FixService,
    private readonly reader: BatchReader,
    private readonly deletions: BatchDeletionService,
    private readonly readings: UploadReadingService,
    private readonly undos: UndoService,
  ) {}

  @Post('Cancel')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Cancel a batch',
    description: 'Chunks that are being processed are finished; all other records end as canceled.',
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
    description: 'Chunks that are being processed are finished; no others start until the batch is resumed.',
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
  @ApiOperation({ summary: 'Resume a paused batch' })
  resume(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('resume', id, principal);
  }

  @Post('Confirm')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Process an upload that awaits confirmation',
    description:
      'Its valid records are queued; its invalid ones stay invalid. Parameters replace those of the upload.',
  })
  confirm(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: RunControlDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('confirm', id, principal, readControl(query));
  }

  @Post('Read')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @HttpCode(202)
  @ApiAcceptedResponse({ description: 'The batch', schema: refTo('Batch'), headers: LOCATION })
  @ApiBody({ type: ReadDto, required: false })
  @ApiOperation({
    summary: 'Read the file of an upload again, in another way',
    description:
      'The batch keeps its id; its records, counts and preview are replaced. A choice that is left out keeps its value; null takes it from the file again. A large file is read in the background: summary is null meanwhile.',
  })
  async read(
    @Param('id', BatchIdPipe) id: number,
    @Body() choices: unknown,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    const batch = await this.readings.read(id, () => validateBody(ReadDto, choices ?? {}), principal);
    response.location(batch.links.self);
    return batch;
  }

  @Post('Abandon')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Abandon an upload that awaits confirmation',
    description:
      'Nothing is processed: its records end as canceled, and no mail is sent. Invalid records can be fixed and sent again.',
  })
  abandon(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.perform('abandon', id, principal);
  }

  @Post('Delete')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'Delete what an ended batch holds about its records',
    description:
      'Records, results, previews and mails are deleted at once; the batch stays with its counts, and routes about its records answer 410. What the records changed in a workflow stays.',
  })
  delete(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.deletions.delete(id, principal);
  }

  @Post('RetryFailed')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send the failed records again, as a new batch',
    description:
      'Records that failed or were invalid, under their own line numbers. The batch itself never changes.',
  })
  @ApiAcceptedResponse({
    description: 'The new batch. A second call answers the same one.',
    schema: refTo('Batch'),
    headers: LOCATION,
  })
  async retryFailed(
    @Param('id', BatchIdPipe) id: number,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    const child = await this.retries.retryFailed(id, principal);
    response.location(batchPath(child.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
    return child;
  }

  @Post('Resolve')
  @HttpCode(202)
  @AnswersTheBatch()
  @ApiOperation({
    summary: 'State whether unknown records were delivered',
    description:
      'For records of an ended batch that were sent to a URL that takes no keys, and whose answer never came. Nothing is sent: ' +
      'records that were not delivered become failed, so that RetryFailed or Fix can send them again. The status of the batch stays.',
  })
  @ApiBadRequestResponse({
    description:
      'invalid_body: also if a line is not an unknown record of the batch; then nothing is changed',
  })
  @ApiGoneResponse({ description: 'batch_expired: its records were deleted' })
  resolve(
    @Param('id', BatchIdPipe) id: number,
    @Body() { outcome, lines }: ResolveDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.actions.resolve(id, { outcome, lines: lines ?? null }, principal);
  }

  @Post('Undo')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Undo an ended batch, with a new batch',
    description:
      'The new batch reverts each record that changed something, the last one first, under its own line number: `reverted`, or `kept` if the instance has changed since, ' +
      'or failed. Instances that the batch created are deleted. No mail or webhook is sent again or taken back. Undo of the undo restores everything.',
  })
  @ApiAcceptedResponse({
    description: 'The new batch, whose undoOf is this one',
    schema: refTo('Batch'),
    headers: LOCATION,
  })
  @ApiGoneResponse({ description: 'batch_expired: its records were deleted' })
  async undo(
    @Param('id', BatchIdPipe) id: number,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    const undo = await this.undos.undo(id, principal);
    response.location(batchPath(undo.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
    return undo;
  }

  @Post('Fix')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send failed records again with changes, as a new batch',
    description:
      'Sends the records that `lines` names, and those in which `replace` changes a value, under their own line numbers. ' +
      'All other values stay exactly as they were sent. `null` clears a value. The batch itself never changes.',
  })
  @ApiBody({ schema: FIX_BODY })
  @ApiAcceptedResponse({
    description: 'The new batch, whose resendOf is this one',
    schema: refTo('Batch'),
    headers: LOCATION,
  })
  @ApiBadRequestResponse({ description: 'invalid_body: also if a line is not a failed record of the batch' })
  @ApiPayloadTooLargeResponse({ description: 'body_too_large' })
  async fix(
    @Param('id', BatchIdPipe) id: number,
    @Body() body: unknown,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    // A caller who may not fix the batch learns nothing about the body.
    await this.fixes.fixable(id, principal);
    const child = await this.reader.get(await this.fixes.fix(id, readFixBody(body), principal), principal);
    response.location(batchPath(child.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
    return child;
  }
}
