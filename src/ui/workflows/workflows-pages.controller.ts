import { Body, Get, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequireEveryPermission, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { validateQuery } from '../../platform/http/validation.js';
import { BehaviorIdPipe, InstanceIdPipe, PageDto } from '../../workflows/instances/instances.dto.js';
import { PageController } from '../error.page.js';
import { nonBlankFields, sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { InstancesPage, SearchInstancesDto } from './instances.page.js';
import { WorkflowFormPage } from './workflow-form.page.js';
import { WorkflowsPage } from './workflows.page.js';

@PageController('workflows')
@RequirePermission('Configure', 'ViewImports')
export class WorkflowsPagesController {
  constructor(
    private readonly workflows: WorkflowsPage,
    private readonly instances: InstancesPage,
    private readonly form: WorkflowFormPage,
  ) {}

  @Get()
  @HtmlPage()
  list(@CurrentPrincipal() principal: Principal): Promise<string> {
    return this.workflows.list(principal);
  }

  @Get('new')
  @RequirePermission('Configure')
  @HtmlPage()
  draft(@Query('as') as: unknown): Promise<string> {
    return this.form.open(null, as);
  }

  @Post()
  @RequirePermission('Configure')
  async add(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.form.receive(null, form, principal));
  }

  @Get(':name')
  @HtmlPage()
  show(
    @Param('name') name: string,
    @Query('saved') saved: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.workflows.show(name, principal, Number(saved));
  }

  @Get(':name/edit')
  @RequirePermission('Configure')
  @HtmlPage()
  edit(@Param('name') name: string, @Query('as') as: unknown): Promise<string> {
    return this.form.open(name, as);
  }

  @Post(':name/edit')
  @RequirePermission('Configure')
  async save(
    @Param('name') name: string,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.form.receive(name, form, principal));
  }

  @Get(':name/instances')
  @HtmlPage()
  search(
    @Param('name') name: string,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.instances.list(name, validateQuery(SearchInstancesDto, nonBlankFields(query)), principal);
  }

  @Get(':name/instances/:id')
  @HtmlPage()
  instance(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.instances.show(name, id, validateQuery(PageDto, query), principal);
  }

  @Post(':name/instances/:id/behaviors/:behaviorId/resend')
  @RequireEveryPermission('ManageImports', 'ViewImports')
  @Redirect(undefined, 303)
  async resend(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Param('behaviorId', BehaviorIdPipe) behaviorId: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: await this.instances.resend(name, id, behaviorId, principal) };
  }
}
