import { Body, Controller, Get, Param, Post, Put, Res } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { LOCATION, refTo } from '../../platform/http/answer-schemas.js';
import { DEFINITION_SCHEMA, type VersionedWorkflowDefinition } from '../definition.js';
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
  constructor(private readonly workflows: WorkflowDefinitionsService) {}

  @Get()
  @ApiOperation({ summary: 'List workflows by name' })
  @ApiOkResponse({ description: 'The workflows', schema: refTo('WorkflowList') })
  async list(): Promise<{ items: WorkflowSummary[] }> {
    return { items: (await this.workflows.list()).map(workflowSummary) };
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
    const created = workflowResource(await this.workflows.create(body, principal.id));
    response.location(`/API/Workflows/${created.name}`);
    return created;
  }

  @Get(':name')
  @ApiOperation({ summary: 'The current version of a definition' })
  @ApiParam({ name: 'name', example: 'grant-role' })
  @ApiOkResponse({ description: 'The definition with its version', schema: refTo('Workflow') })
  @ApiNotFoundResponse({ description: 'workflow_not_found' })
  async get(@Param('name') name: string): Promise<VersionedWorkflowDefinition> {
    return workflowResource(await this.workflows.current(name));
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
  async replace(
    @Param('name') name: string,
    @Body() body: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<VersionedWorkflowDefinition> {
    return workflowResource(await this.workflows.replace(name, body, principal.id));
  }
}
