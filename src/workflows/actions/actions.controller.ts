import { Controller, Header, HttpCode, Param, Post, Req } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiForbiddenResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Request } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { refTo } from '../../platform/http/answer-schemas.js';
import { InstanceIdPipe } from '../instances/instances.dto.js';
import { ActionsService } from './actions.service.js';

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
