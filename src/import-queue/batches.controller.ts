import { Controller, Get, Header, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiGoneResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { RecordPages } from '../batches/record-pages.js';
import { LINK_NEXT, refTo, TEXT } from '../platform/http/answer-schemas.js';
import { nextLink, type Page } from '../platform/http/pagination.js';
import { BatchList } from './batch-list.js';
import { DownloadResultsDto, ListBatchesDto, ListRecordsDto } from './batches.dto.js';
import { ResultDownload } from './result-download.js';
import { recordJson } from './result-lines.js';

@ApiTags('Batches')
@ApiBadRequestResponse({
  description: 'unknown_parameter, repeated_parameter, invalid_parameter, invalid_cursor',
})
@Controller('API/WorkflowImportQueue/Batches')
@RequirePermission('ViewImports')
export class BatchesController {
  constructor(
    private readonly batches: BatchReader,
    private readonly list: BatchList,
    private readonly records: RecordPages,
    private readonly download: ResultDownload,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List batches, newest first' })
  @ApiOkResponse({ description: 'One page', schema: refTo('BatchPage'), headers: LINK_NEXT })
  async listBatches(
    @Query() query: ListBatchesDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<Page<BatchResource>> {
    const page = await this.list.page(query, principal);
    linkNext(request, response, page.nextCursor);
    return page;
  }

  @Get(':id')
  @ApiOperation({ summary: 'One batch: its status, counts and progress, and what may be done with it now' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'The batch', schema: refTo('Batch') })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
  batch(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<BatchResource> {
    return this.batches.get(id, principal);
  }

  @Get(':id/Records')
  @ApiOperation({ summary: 'The records of a batch by line, each with what became of it' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'One page', schema: refTo('RecordPage'), headers: LINK_NEXT })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
  @ApiGoneResponse({ description: 'batch_expired: its retention is over' })
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
      limit: query.limit,
      after: query.after,
      statuses: query.status === undefined ? undefined : [query.status],
    });
    linkNext(request, response, nextCursor);
    return `{"items":[${rows.map((row) => recordJson(row, true)).join(',')}],"nextCursor":${JSON.stringify(nextCursor)}}`;
  }

  @Get(':id/Results')
  @ApiOperation({ summary: 'Download the records in input order, as JSON Lines or CSV' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiProduces('application/jsonl', 'text/csv')
  @ApiOkResponse({ description: 'The file', schema: TEXT })
  @ApiGoneResponse({ description: 'batch_expired: its retention is over' })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
  results(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: DownloadResultsDto,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.download.send(id, query, principal, response);
  }
}

function linkNext(request: Request, response: Response, nextCursor: string | null): void {
  const link = nextLink(request.originalUrl, nextCursor);
  if (link !== undefined) response.setHeader('Link', link);
}
