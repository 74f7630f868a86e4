import { Body, Controller, Get, Headers, Param, Post, Put, Res } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiPreconditionFailedResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { assertUnlimited, CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { LOCATION, refTo } from '../../platform/http/answer-schemas.js';
import { versionCondition, versionTag } from '../../platform/http/answers.js';
import { DEFINITION_SCHEMA, type VersionedWorkflowDefinition } from '../definition.js';
import { WorkflowAccess } from './workflow-access.js';
import {
  WorkflowDefinitionsService,
  workflowResource,
  workflowSummary,
  type WorkflowSummary,
} from './workflow-definitions.service.js';

@ApiTags('Workflows')
@Controller('API/Workflows')
@RequirePermission('Configure')
export class WorkflowsController {
  constructor(
    private readonly workflows: WorkflowDefinitionsService,
    private readonly access: WorkflowAccess,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List workflows by name' })
  @ApiOkResponse({ description: 'The workflows', schema: refTo('WorkflowList') })
  async list(@CurrentPrincipal() principal: Principal): Promise<{ items: WorkflowSummary[] }> {
    const reached = await this.access.reachable(principal, await this.workflows.list());
    return { items: reached.map(workflowSummary) };
  }

  @Post()
  @ApiOperation({ summary: 'Define a workflow' })
  @ApiBody({ schema: DEFINITION_SCHEMA })
  @ApiCreatedResponse({
    description: 'The definition with its version',
    schema: refTo('Workflow'),
    headers: LOCATION,
  })
  @ApiBadRequestResponse({ description: 'invalid_definition: `errors` lists every mistake with its pointer' })
  @ApiConflictResponse({ description: 'workflow_name_taken' })
  async create(
    @Body() body: unknown,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<VersionedWorkflowDefinition> {
    assertUnlimited(principal);
    const created = workflowResource(await this.workflows.create(body, principal.id));
    response.location(`/API/Workflows/${created.name}`);
    return tagged(created, response);
  }

  @Get(':name')
  @ApiOperation({ summary: 'The current version of a definition' })
  @ApiParam({ name: 'name', example: 'grant-role' })
  @ApiOkResponse({ description: 'The definition with its version', schema: refTo('Workflow') })
  @ApiNotFoundResponse({ description: 'workflow_not_found' })
  async get(
    @Param('name') name: string,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<VersionedWorkflowDefinition> {
    const current = await this.workflows.current(name);
    await this.access.assertReaches(principal, name);
    return tagged(workflowResource(current), response);
  }

  @Put(':name')
  @ApiOperation({
    summary: 'Make a new version of a definition',
    description:
      'Running batches keep their version. With `version` in the body, the call fails unless that is the current one.',
  })
  @ApiParam({ name: 'name', example: 'grant-role' })
  @ApiBody({ schema: DEFINITION_SCHEMA })
  @ApiOkResponse({ description: 'The definition in its new version', schema: refTo('Workflow') })
  @ApiBadRequestResponse({ description: 'invalid_definition: `errors` lists every mistake with its pointer' })
  @ApiNotFoundResponse({ description: 'workflow_not_found' })
  @ApiConflictResponse({ description: 'version_conflict, identifier_in_use' })
  @ApiPreconditionFailedResponse({ description: 'precondition_failed: If-Match names another version' })
  async replace(
    @Param('name') name: string,
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<VersionedWorkflowDefinition> {
    assertUnlimited(principal);
    const stored = await this.workflows.replace(name, body, principal.id, versionCondition(ifMatch));
    return tagged(workflowResource(stored), response);
  }
}

function tagged(workflow: VersionedWorkflowDefinition, response: Response): VersionedWorkflowDefinition {
  response.setHeader('ETag', versionTag(workflow.version));
  return workflow;
}
