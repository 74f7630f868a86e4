import { Body, Controller, Get, Param, Post, Query, Redirect, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { CurrentPrincipal } from '../../auth/current-principal.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { BrowserPage, RequirePermission } from '../../auth/require-permission.decorator.js';
import { validateForm } from '../../common/http/validate-form.js';
import { validateQuery } from '../../common/http/validate-query.js';
import { BehaviorIdPipe } from '../../workflows/instances/behavior-id.pipe.js';
import { PageDto } from '../../workflows/instances/dto/page.dto.js';
import { InstanceIdPipe } from '../../workflows/instances/instance-id.pipe.js';
import { HtmlPage } from '../html-page.decorator.js';
import { PageErrorFilter } from '../page-error.filter.js';
import { sendFormAnswer } from '../send-form-answer.js';
import { withoutBlanks } from '../without-blanks.js';
import { SearchInstancesDto } from './dto/search-instances.dto.js';
import { WorkflowSourceDto } from './dto/workflow-source.dto.js';
import { InstancePages } from './instance-pages.js';
import { WorkflowPages } from './workflow-pages.js';

@ApiExcludeController()
@BrowserPage()
@Controller('workflows')
@RequirePermission('Configure', 'ViewImports')
@UseFilters(PageErrorFilter)
export class WorkflowPagesController {
  constructor(
    private readonly workflows: WorkflowPages,
    private readonly instances: InstancePages,
  ) {}

  @Get()
  @HtmlPage()
  list(@CurrentPrincipal() principal: Principal): Promise<string> {
    return this.workflows.list(principal);
  }

  @Get('new')
  @RequirePermission('Configure')
  @HtmlPage()
  draft(): string {
    return this.workflows.draft();
  }

  @Post()
  @RequirePermission('Configure')
  async add(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    const { source } = validateForm(WorkflowSourceDto, form);
    sendFormAnswer(response, await this.workflows.add(source, principal));
  }

  @Get(':name')
  @HtmlPage()
  show(@Param('name') name: string, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.workflows.show(name, principal);
  }

  @Post(':name')
  @RequirePermission('Configure')
  async save(
    @Param('name') name: string,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    const { source } = validateForm(WorkflowSourceDto, form);
    sendFormAnswer(response, await this.workflows.save(name, source, principal));
  }

  @Get(':name/instances')
  @HtmlPage()
  search(
    @Param('name') name: string,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.instances.list(name, validateQuery(SearchInstancesDto, withoutBlanks(query)), principal);
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
  @RequirePermission('ManageImports')
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
