import { Controller, Get, Header, Headers, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiConflictResponse,
  ApiGoneResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, OpenedInBrowsers, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type ErrorCause, RecordPages } from '../batches/record-pages.js';
import { WORKBOOK_TYPE } from '../formats/workbook/workbook-writer.js';
import { LINK_NEXT, refTo, TEXT } from '../platform/http/answer-schemas.js';
import { preferredWait, Revalidated } from '../platform/http/answers.js';
import { nextLink, type Page } from '../platform/http/pagination.js';
import { BatchEvents } from './batch-events.js';
import { BatchList } from './batch-list.js';
import {
  DownloadResultsDto,
  ListBatchesDto,
  ListRecordsDto,
  PreviewDto,
  UndoPreviewDto,
} from './batches.dto.js';
import { ImportProcessKeyPipe } from './create-batch.dto.js';
import { type PreviewPage, PreviewService } from './preview.service.js';
import { recordJson, ResultDownload } from './result-download.js';
import { type PreviewedUndoRecord, UndoService } from './undo.service.js';

const ID = { name: 'id', type: 'integer' } as const;
const NOT_FOUND = { description: 'batch_not_found' };
const EXPIRED = { description: 'batch_expired: its records were deleted' };

/** Reads batches: the list, one batch, its records, results, preview and events. */
@ApiTags('Batches')
@ApiBadRequestResponse({
  description: 'unknown_parameter, repeated_parameter, invalid_parameter, invalid_cursor',
})
@Controller('API/WorkflowImportQueue/Batches')
@RequirePermission('ViewImports', 'ReadOwnImports')
export class BatchesController {
  constructor(
    private readonly batches: BatchReader,
    private readonly list: BatchList,
    private readonly records: RecordPages,
    private readonly download: ResultDownload,
    private readonly previews: PreviewService,
    private readonly events: BatchEvents,
    private readonly undos: UndoService,
  ) {}

  @Get()
  @Revalidated()
  @ApiOperation({ summary: 'List batches, newest first' })
  @ApiOkResponse({ description: 'One page', schema: refTo('BatchPage'), headers: LINK_NEXT })
  async listBatches(
    @Query(ImportProcessKeyPipe) query: ListBatchesDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<Page<BatchResource>> {
    const page = await this.list.page(query, principal);
    linkNext(request, response, page.nextCursor);
    return page;
  }

  @Get(':id')
  @Revalidated()
  @ApiOperation({ summary: 'One batch: its status, counts, progress and the actions allowed now' })
  @ApiParam(ID)
  @ApiOkResponse({ description: 'The batch', schema: refTo('Batch') })
  @ApiNotFoundResponse(NOT_FOUND)
  @ApiHeader({
    name: 'Prefer',
    required: false,
    description:
      '`wait=N`, 1 to 60: answers when the batch has ended, is paused or awaits confirmation, at the latest after N seconds.',
  })
  async batch(
    @Param('id', BatchIdPipe) id: number,
    @Headers('prefer') prefer: string | undefined,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    const seconds = preferredWait(prefer);
    if (seconds !== null && (await this.events.settled(id, principal, seconds, response)))
      response.setHeader('Preference-Applied', `wait=${seconds}`);
    return this.batches.read(id, principal);
  }

  @Get(':id/Records')
  @ApiOperation({ summary: 'The records of a batch by line, each with its outcome' })
  @ApiParam(ID)
  @ApiOkResponse({ description: 'One page', schema: refTo('RecordPage'), headers: LINK_NEXT })
  @ApiNotFoundResponse(NOT_FOUND)
  @ApiGoneResponse(EXPIRED)
  @Header('Content-Type', 'application/json; charset=utf-8')
  async listRecords(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: ListRecordsDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    await this.batches.rowWithRecords(id, principal);
    const { rows, nextCursor } = await this.records.page(id, {
      ...query,
      statuses: query.status === undefined ? undefined : [query.status],
    });
    linkNext(request, response, nextCursor);
    return `{"items":[${rows.map((row) => recordJson(row, true)).join(',')}],"nextCursor":${JSON.stringify(nextCursor)}}`;
  }

  @Get(':id/ErrorGroups')
  @ApiOperation({
    summary: 'Why records of a batch failed or were invalid, most frequent cause first',
    description: 'At most 200 causes. A record with several errors counts in the group of each.',
  })
  @ApiParam(ID)
  @ApiOkResponse({ description: 'The causes', schema: refTo('ErrorGroups') })
  @ApiNotFoundResponse(NOT_FOUND)
  @ApiGoneResponse(EXPIRED)
  async errorGroups(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ items: ErrorCause[] }> {
    await this.batches.rowWithRecords(id, principal);
    return { items: await this.records.errorCauses(id) };
  }

  @Get(':id/Results')
  @OpenedInBrowsers()
  @ApiOperation({ summary: 'Download the records in input order, as JSON Lines or CSV' })
  @ApiParam(ID)
  @ApiProduces('application/jsonl', 'text/csv', WORKBOOK_TYPE)
  @ApiHeader({ name: 'Range', required: false, description: 'A part of the file of an ended batch.' })
  @ApiOkResponse({ description: 'The file', schema: TEXT })
  @ApiResponse({ status: 206, description: 'The part that Range names', schema: TEXT })
  @ApiResponse({ status: 416, description: 'range_not_satisfiable' })
  @ApiGoneResponse(EXPIRED)
  @ApiNotFoundResponse(NOT_FOUND)
  results(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: DownloadResultsDto,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.download.send(id, query, principal, response);
  }

  @Get(':id/Preview')
  @ApiOperation({
    summary: 'What the valid records of an upload would turn into, by line',
    description:
      'Uses the look-up and the rules of processing, without its effects. Computed once, after the upload or at the first request.',
  })
  @ApiParam(ID)
  @ApiOkResponse({ description: 'One page', schema: refTo('PreviewPage'), headers: LINK_NEXT })
  @ApiNotFoundResponse(NOT_FOUND)
  @ApiGoneResponse(EXPIRED)
  @ApiConflictResponse({
    description:
      'state_conflict: no longer awaiting confirmation; preview_not_supported; too_many_records_to_preview',
  })
  async preview(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: PreviewDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<PreviewPage> {
    const page = await this.previews.page(id, query, principal);
    linkNext(request, response, page.nextCursor);
    return page;
  }

  @Get(':id/UndoPreview')
  @RequirePermission('ViewImports')
  @ApiOperation({
    summary: 'What an undo of the batch would do to each record that changed something, by line',
    description:
      'Computed from the log at each request, without effects. `kept`: the instance has changed since, and error says who changed it and when. ' +
      '`sent` lists the mails and webhooks that were sent: an undo does not take them back.',
  })
  @ApiParam(ID)
  @ApiOkResponse({ description: 'One page', schema: refTo('UndoPreviewPage'), headers: LINK_NEXT })
  @ApiNotFoundResponse(NOT_FOUND)
  @ApiGoneResponse(EXPIRED)
  @ApiConflictResponse({ description: 'state_conflict: not ended; already_undone; undo_not_supported' })
  async undoPreview(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: UndoPreviewDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<Page<PreviewedUndoRecord>> {
    const page = await this.undos.page(id, query, principal);
    linkNext(request, response, page.nextCursor);
    return page;
  }

  @Get(':id/Events')
  @ApiOperation({
    summary: 'The progress of a batch, as server-sent events',
    description:
      '`progress`: `{WORKFLOW_IMPORT_QUEUE_BATCH_ID, status, recordCounts, operations, progress}`, at once and after each change. ' +
      '`status`: the batch, at once and after each change of its status. The stream ends with the batch; the last event has the id `end`.',
  })
  @ApiParam(ID)
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ description: 'The events', schema: TEXT })
  @ApiNoContentResponse({
    description: 'Last-Event-ID is `end` and the batch has ended: no more events will come',
  })
  @ApiNotFoundResponse(NOT_FOUND)
  follow(
    @Param('id', BatchIdPipe) id: number,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.events.follow(id, principal, response);
  }
}

function linkNext(request: Request, response: Response, nextCursor: string | null): void {
  const link = nextLink(request.originalUrl, nextCursor);
  if (link !== undefined) response.setHeader('Link', link);
}
