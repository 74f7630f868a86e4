import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiCreatedResponse,
  ApiForbiddenResponse,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { refTo } from '../platform/http/answer-schemas.js';
import { CurrentPrincipal, RequirePermission } from './access.js';
import {
  ApiKeyIdPipe,
  type ApiKeyResource,
  ApiKeysService,
  CreateApiKeyDto,
  type CreatedApiKey,
} from './api-keys.service.js';
import type { Principal } from './principal.js';
import { Reauthentication } from './sign-in.js';

@ApiTags('API keys')
@Controller('API/ApiKeys')
@RequirePermission('Configure')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly reauthentication: Reauthentication,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List API keys, newest first' })
  @ApiOkResponse({ description: 'Never a key itself', schema: refTo('ApiKeyList') })
  async list(): Promise<{ items: ApiKeyResource[] }> {
    return { items: await this.keys.list() };
  }

  @Post()
  @ApiOperation({ summary: 'Create an API key' })
  @ApiCreatedResponse({
    description: 'The key; `key` is shown only in this answer',
    schema: refTo('CreatedApiKey'),
  })
  @ApiBadRequestResponse({ description: 'invalid_body, also for an unknown import process' })
  @ApiForbiddenResponse({
    description:
      'permission_denied, also for more than the creator has; in a browser session confirmation_required',
  })
  create(@Body() dto: CreateApiKeyDto, @CurrentPrincipal() creator: Principal): Promise<CreatedApiKey> {
    this.reauthentication.assertRecent(creator);
    return this.keys.create(dto, creator);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an API key immediately' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiNoContentResponse({ description: 'The key is refused from now on' })
  @ApiNotFoundResponse({ description: 'api_key_not_found' })
  revoke(@Param('id', ApiKeyIdPipe) id: number, @CurrentPrincipal() by: Principal): Promise<void> {
    this.reauthentication.assertRecent(by);
    return this.keys.revoke(id, by);
  }
}
