import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { LINK_NEXT, LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { nextLink, type Page } from '../platform/http/pagination.js';
import {
  ListDeliveriesDto,
  ResendFailedDto,
  SaveWebhookEndpointDto,
  type WebhookDelivery,
  WebhookDeliveryIdPipe,
  type WebhookEndpoint,
  WebhookEndpointIdPipe,
  type WebhookEndpointWithSecret,
} from './webhook-endpoints.dto.js';
import { WebhookEndpointsService } from './webhook-endpoints.service.js';

const ROUTE = 'API/WebhookEndpoints';

@ApiTags('Webhook endpoints')
@Controller(ROUTE)
@RequirePermission('Configure')
export class WebhookEndpointsController {
  constructor(private readonly endpoints: WebhookEndpointsService) {}

  @Get()
  @ApiOperation({ summary: 'List webhook endpoints, oldest first' })
  @ApiOkResponse({ description: 'Never a secret', schema: refTo('WebhookEndpointList') })
  async list(): Promise<{ items: WebhookEndpoint[] }> {
    return { items: await this.endpoints.list() };
  }

  @Post()
  @ApiOperation({
    summary: 'Create a webhook endpoint',
    description:
      'From now on it receives the events of batches that it names. docs/webhooks.md describes them.',
  })
  @ApiCreatedResponse({
    description: 'The endpoint; `secret` is shown only in this answer',
    schema: refTo('WebhookEndpointWithSecret'),
    headers: LOCATION,
  })
  @ApiBadRequestResponse({
    description: 'invalid_body, also for an unknown import process or an address that is not public',
  })
  @ApiConflictResponse({ description: 'too_many_webhook_endpoints' })
  async create(
    @Body() dto: SaveWebhookEndpointDto,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<WebhookEndpointWithSecret> {
    const created = await this.endpoints.create(dto, principal);
    response.location(`/${ROUTE}/${created.id}`);
    return created;
  }

  @Get(':id')
  @ApiOperation({ summary: 'One webhook endpoint' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'The endpoint', schema: refTo('WebhookEndpoint') })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  get(@Param('id', WebhookEndpointIdPipe) id: number): Promise<WebhookEndpoint> {
    return this.endpoints.get(id);
  }

  @Put(':id')
  @ApiOperation({
    summary: 'Replace the settings of a webhook endpoint',
    description:
      'Members that are left out get their default, except status and secret, which stay. Webhooks that still wait ' +
      'go to the new URL.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'The endpoint', schema: refTo('WebhookEndpoint') })
  @ApiBadRequestResponse({
    description: 'invalid_body, also for an unknown import process or an address that is not public',
  })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  replace(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Body() dto: SaveWebhookEndpointDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<WebhookEndpoint> {
    return this.endpoints.replace(id, dto, principal);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a webhook endpoint, with the log of its deliveries' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiNoContentResponse({ description: 'It is deleted, and what still waited is not sent' })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  delete(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.endpoints.delete(id, principal);
  }

  @Post(':id/RotateSecret')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Make a new secret',
    description:
      'For 24 hours each request has two signatures, one by the new secret and one by the secret before.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({
    description: 'The endpoint; `secret` is shown only in this answer',
    schema: refTo('WebhookEndpointWithSecret'),
  })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  rotate(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<WebhookEndpointWithSecret> {
    return this.endpoints.rotate(id, principal);
  }

  @Post(':id/Test')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send a webhook of type webhook.test; its delivery shows what the receiver answered',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiAcceptedResponse({ description: 'The delivery', schema: refTo('WebhookDelivery') })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  @ApiConflictResponse({ description: 'webhook_endpoint_disabled' })
  test(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<WebhookDelivery> {
    return this.endpoints.test(id, principal);
  }

  @Get(':id/Deliveries')
  @ApiOperation({ summary: 'The deliveries of an endpoint, newest first, with requests, answers and times' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'One page', schema: refTo('WebhookDeliveryPage'), headers: LINK_NEXT })
  @ApiBadRequestResponse({ description: 'invalid_parameter, unknown_parameter, invalid_cursor' })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  async deliveries(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Query() query: ListDeliveriesDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<WebhookDelivery>> {
    const page = await this.endpoints.deliveries(id, query);
    const link = nextLink(request.originalUrl, page.nextCursor);
    if (link !== undefined) response.set('Link', link);
    return page;
  }

  @Post(':id/Deliveries/Resend')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send all failed deliveries again, since a time',
    description: 'Also those that are still tried: they do not wait for their next attempt.',
  })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiAcceptedResponse({ description: 'How many', schema: refTo('WebhookDeliveriesResent') })
  @ApiBadRequestResponse({ description: 'missing_parameter, invalid_parameter' })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found' })
  @ApiConflictResponse({ description: 'webhook_endpoint_disabled' })
  resendFailed(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Query() { failedSince }: ResendFailedDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ resent: number }> {
    return this.endpoints.resendFailed(id, new Date(failedSince), principal);
  }

  @Post(':id/Deliveries/:n/Resend')
  @HttpCode(202)
  @ApiOperation({ summary: 'Send a delivery again, with the same webhook-id' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiParam({ name: 'n', type: 'integer', description: 'The id of the delivery' })
  @ApiAcceptedResponse({ description: 'The delivery', schema: refTo('WebhookDelivery') })
  @ApiNotFoundResponse({ description: 'webhook_endpoint_not_found, webhook_delivery_not_found' })
  @ApiConflictResponse({ description: 'state_conflict: it is being sent; webhook_endpoint_disabled' })
  resend(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Param('n', WebhookDeliveryIdPipe) deliveryId: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<WebhookDelivery> {
    return this.endpoints.resend(id, deliveryId, principal);
  }
}
