import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiConflictResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe } from '../batches/batch-reader.js';
import type { PreviewedRecord } from '../batches/previews.sql.js';
import { LINK_NEXT, refTo } from '../platform/http/answer-schemas.js';
import { nextLink, type Page } from '../platform/http/pagination.js';
import { PreviewDto } from './batches.dto.js';
import { PreviewService } from './preview.service.js';

@ApiTags('Batches')
@Controller('API/WorkflowImportQueue/Batches')
@RequirePermission('ViewImports')
export class PreviewController {
  constructor(private readonly previews: PreviewService) {}

  @Get(':id/Preview')
  @ApiOperation({
    summary: 'What the valid records of an upload would turn into, by line',
    description:
      'Found out by the same look-up and the same rules as processing, without effects. Made once, when the file was uploaded or when it is first asked for.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'One page', schema: refTo('PreviewPage'), headers: LINK_NEXT })
  @ApiBadRequestResponse({ description: 'unknown_parameter, invalid_parameter, invalid_cursor' })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
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
  ): Promise<Page<PreviewedRecord>> {
    const page = await this.previews.page(id, query, principal);
    const link = nextLink(request.originalUrl, page.nextCursor);
    if (link !== undefined) response.setHeader('Link', link);
    return page;
  }
}
