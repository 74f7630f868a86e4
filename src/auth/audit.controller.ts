import { Controller, Get, Logger, Query, Req, Res } from '@nestjs/common';
import { ApiBadRequestResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { LINK_NEXT, refTo, TEXT } from '../platform/http/answer-schemas.js';
import { contentDisposition, sendDownload } from '../platform/http/answers.js';
import { nextLink } from '../platform/http/pagination.js';
import { CurrentPrincipal, RequirePermission } from './access.js';
import { AuditTrail, ListAuditDto } from './audit-trail.js';
import type { Principal } from './principal.js';

@ApiTags('Audit')
@Controller('API/Audit')
@RequirePermission('Administer')
export class AuditController {
  private readonly logger = new Logger(AuditController.name);

  constructor(private readonly trail: AuditTrail) {}

  @Get()
  @ApiOperation({
    summary: 'Who did what, newest first',
    description:
      'Sign-ins, refusals, changes, batch actions, resends, exports and downloads. `format=jsonl` downloads all events of the query.',
  })
  @ApiOkResponse({
    description: 'One page, or the download',
    content: { 'application/jsonl': { schema: TEXT }, 'application/json': { schema: refTo('AuditPage') } },
    headers: LINK_NEXT,
  })
  @ApiBadRequestResponse({
    description: 'unknown_parameter, repeated_parameter, invalid_parameter, invalid_cursor',
  })
  async list(
    @Query() query: ListAuditDto,
    @Req() request: Request,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    if (query.format === 'jsonl') {
      const type = 'application/jsonl; charset=utf-8';
      const disposition = contentDisposition('audit.jsonl');
      const content = (signal: AbortSignal) => this.trail.export(query, principal, signal);
      return sendDownload(response, { type, disposition, content }, this.logger);
    }
    const page = await this.trail.page(query);
    const link = nextLink(request.originalUrl, page.nextCursor);
    if (link !== undefined) response.setHeader('Link', link);
    response.set('Cache-Control', 'no-store').json(page);
  }
}
