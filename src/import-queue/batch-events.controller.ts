import { Controller, Get, Param, Res } from '@nestjs/common';
import {
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe } from '../batches/batch-reader.js';
import { TEXT } from '../platform/http/answer-schemas.js';
import { BatchEvents } from './batch-events.js';

@ApiTags('Batches')
@Controller('API/WorkflowImportQueue/Batches')
@RequirePermission('ViewImports')
export class BatchEventsController {
  constructor(private readonly events: BatchEvents) {}

  @Get(':id/Events')
  @ApiOperation({
    summary: 'How a batch gets on, as server-sent events',
    description:
      '`progress`: `{WORKFLOW_IMPORT_QUEUE_BATCH_ID, status, recordCounts, operations, progress}`, at once and whenever it has changed. ' +
      '`status`: the batch, at once and whenever its status has changed. The stream is closed when the batch has ended; the last event then has the id `end`.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ description: 'The events', schema: TEXT })
  @ApiNoContentResponse({
    description: 'Last-Event-ID is `end`, and the batch has ended: there is nothing more',
  })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
  follow(
    @Param('id', BatchIdPipe) id: number,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.events.follow(id, principal, response);
  }
}
