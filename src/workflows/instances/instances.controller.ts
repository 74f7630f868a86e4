import { Controller, Get, Header, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiForbiddenResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequireEveryPermission, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import type { StoredBehavior } from '../../delivery/message.js';
import { WORKBOOK_TYPE } from '../../formats/workbook/workbook-writer.js';
import { LINK_NEXT, refTo, TEXT } from '../../platform/http/answer-schemas.js';
import { nextLink } from '../../platform/http/pagination.js';
import { validateQuery } from '../../platform/http/validation.js';
import {
  BehaviorIdPipe,
  ExportInstancesDto,
  InstanceIdPipe,
  ListInstancesDto,
  PageDto,
} from '../workflows.dto.js';
import { ActionsService } from './actions.service.js';
import { InstancesService } from './instances.service.js';

@ApiTags('Workflows')
@ApiParam({ name: 'name', example: 'grant-role' })
@ApiBadRequestResponse({
  description: 'unknown_parameter, repeated_parameter, invalid_parameter, invalid_cursor',
})
@ApiNotFoundResponse({ description: 'workflow_not_found, workflow_instance_not_found, behavior_not_found' })
@Controller('API/Workflows/:name/Instances')
@RequirePermission('ViewImports', 'Configure')
export class InstancesController {
  constructor(private readonly instances: InstancesService) {}

  @Get()
  @ApiOperation({ summary: 'List instances of a workflow, newest first' })
  @ApiQuery({ type: ListInstancesDto })
  @ApiOkResponse({
    description: 'One page',
    schema: refTo('InstancePage'),
    headers: LINK_NEXT,
  })
  @Header('Content-Type', 'application/json; charset=utf-8')
  async list(
    @Param('name') name: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    const query = validateQuery(ListInstancesDto, request.query);
    const { json, nextCursor } = await this.instances.page(name, query, principal);
    linkNext(request, response, nextCursor);
    return json;
  }

  // Before ":id", which would also match "Export".
  @Get('Export')
  @RequirePermission('ViewImports')
  @ApiOperation({ summary: 'Download instances, oldest first, as JSON Lines or CSV' })
  @ApiQuery({ type: ExportInstancesDto })
  @ApiProduces('application/jsonl', 'text/csv', WORKBOOK_TYPE)
  @ApiOkResponse({ description: 'The file', schema: TEXT })
  export(
    @Param('name') name: string,
    @Req() request: Request,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.instances.export(name, validateQuery(ExportInstancesDto, request.query), principal, response);
  }

  @Get(':id')
  @ApiOperation({
    summary:
      'One instance, its log (who changed what, from which batch and line) and its behaviors, newest first',
    description: '`limit` and `after` page through the log. The answer has the newest 100 behaviors.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiQuery({ type: PageDto })
  @ApiOkResponse({
    description: 'The instance with its log and behaviors',
    schema: refTo('InstanceStory'),
    headers: LINK_NEXT,
  })
  @Header('Content-Type', 'application/json; charset=utf-8')
  async instance(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    const query = validateQuery(PageDto, request.query);
    const { json, nextCursor } = await this.instances.instance(name, id, query, principal);
    linkNext(request, response, nextCursor);
    return json;
  }

  @Post(':id/Behaviors/:behaviorId/Resend')
  @RequireEveryPermission('ManageImports', 'ViewImports')
  @HttpCode(202)
  @ApiOperation({
    summary:
      'Send a mail or webhook again or immediately, exactly as it was rendered when its record was processed',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiParam({ name: 'behaviorId', type: 'integer' })
  @ApiAcceptedResponse({ description: 'The behavior, which is pending again', schema: refTo('Behavior') })
  @ApiConflictResponse({ description: 'state_conflict: it is being sent right now' })
  resend(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Param('behaviorId', BehaviorIdPipe) behaviorId: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<StoredBehavior> {
    return this.instances.resend(name, id, behaviorId, principal);
  }
}

function linkNext(request: Request, response: Response, nextCursor: string | null): void {
  const link = nextLink(request.originalUrl, nextCursor);
  if (link !== undefined) response.setHeader('Link', link);
}

@ApiTags('Workflows')
@Controller('API/Workflows/:name/Instances/:id/Actions')
@RequirePermission('BeginWorkflowImportProcess')
export class ActionsController {
  constructor(private readonly actions: ActionsService) {}

  @Post(':action')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Perform one action on one instance',
    description:
      'Works like a record of an import, with the same rules, log and behaviors, in one transaction. The body has the ' +
      'members of a row: inputs of the action, and new identifiers of the instance. An action of a data entry step ' +
      'needs an instance that stands at this step and is not completed.',
  })
  @ApiParam({ name: 'name', example: 'grant-role' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiParam({ name: 'action', description: 'Name or id of an action.', example: 'Grant' })
  @ApiBody({ schema: { type: 'object', additionalProperties: true, example: { Level: 'Fellow' } } })
  @ApiOkResponse({
    description:
      'The instance as GET answers it, with operation "updated", or "unchanged" if there was nothing to change. ' +
      'Without the permission ViewImports only id and operation.',
    schema: refTo('PerformedAction'),
  })
  @ApiBadRequestResponse({ description: 'The error that makes a record invalid, with its code and pointer' })
  @ApiForbiddenResponse({
    description: 'workflow_not_allowed: the key is limited to certain import processes',
  })
  @ApiNotFoundResponse({
    description: 'workflow_not_found, workflow_instance_not_found, action_not_found',
  })
  @ApiConflictResponse({
    description:
      'ambiguous_action, or the instance does not allow the action: instance_completed, instance_elsewhere, ambiguous_match, …',
  })
  @Header('Content-Type', 'application/json; charset=utf-8')
  perform(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Param('action') action: string,
    @Req() request: Request,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.actions.perform(name, id, action, request.body, principal);
  }
}
