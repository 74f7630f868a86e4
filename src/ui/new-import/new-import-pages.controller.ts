import { Body, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessIdPipe } from '../../import-processes/import-processes.dto.js';
import { PageController } from '../error.page.js';
import { sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { NewImportPage } from './new-import.page.js';
import { OneRowPage } from './one-row.page.js';

@PageController('imports/new')
@RequirePermission('BeginWorkflowImportProcess')
export class NewImportPagesController {
  constructor(
    private readonly newImport: NewImportPage,
    private readonly oneRow: OneRowPage,
  ) {}

  @Get()
  @HtmlPage()
  choose(@CurrentPrincipal() principal: Principal): Promise<string> {
    return this.newImport.choose(principal);
  }

  /** Begins an upload in several requests: the page sends the parts to the address in `Location`, then submits its form. */
  @Post('parts')
  @HttpCode(201)
  async begin(
    @Query('fileName') fileName: unknown,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    const name = typeof fileName === 'string' ? fileName : '';
    response.location(await this.newImport.begin(name, request, principal));
  }

  @Get(':type')
  @HtmlPage()
  form(
    @Param('type', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.newImport.form(id, principal);
  }

  /** The service reads a file as a stream; a form without one names an upload that has arrived. */
  @Post(':type')
  async upload(
    @Param('type', ImportProcessIdPipe) id: number,
    @Req() request: Request,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.newImport.upload(id, request, principal));
  }

  @Get(':type/one')
  @HtmlPage()
  one(
    @Param('type', ImportProcessIdPipe) id: number,
    @Query('sent') sent: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    const isId = typeof sent === 'string' && /^\d{1,15}$/.test(sent);
    return this.oneRow.form(id, principal, isId ? Number(sent) : null);
  }

  @Post(':type/one')
  async submit(
    @Param('type', ImportProcessIdPipe) id: number,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.oneRow.submit(id, form, principal));
  }
}
