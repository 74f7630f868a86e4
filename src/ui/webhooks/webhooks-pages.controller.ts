import { Body, Get, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import {
  ListDeliveriesDto,
  WebhookDeliveryIdPipe,
  WebhookEndpointIdPipe,
} from '../../notifications/webhook-endpoints.dto.js';
import { validateQuery } from '../../platform/http/validation.js';
import { nonBlankFields, sendFormAnswer } from '../forms.js';
import { HtmlPage, PageController } from '../page-renderer.js';
import { WebhooksPage } from './webhooks.page.js';

@PageController('webhooks')
@RequirePermission('Configure')
export class WebhooksPagesController {
  constructor(private readonly webhooks: WebhooksPage) {}

  @Get()
  @HtmlPage()
  list(): Promise<string> {
    return this.webhooks.list();
  }

  @Post()
  async create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.create(form, principal, response));
  }

  @Get(':id')
  async show(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Query() query: object,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const shown = validateQuery(ListDeliveriesDto, nonBlankFields(query));
    const html = await this.webhooks.show(id, shown, { request, response });
    sendFormAnswer(response, { status: 200, html });
  }

  @Post(':id')
  async save(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.save(id, form, principal));
  }

  @Post(':id/enable')
  async enable(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.setStatus(id, 'active', principal));
  }

  @Post(':id/disable')
  async disable(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.setStatus(id, 'disabled', principal));
  }

  @Post(':id/delete')
  async remove(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.remove(id, principal));
  }

  @Post(':id/rotate')
  async rotate(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.rotate(id, principal, response));
  }

  @Post(':id/test')
  async test(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.test(id, principal));
  }

  @Post(':id/deliveries/resend')
  async resendFailed(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.resendFailed(id, form, principal));
  }

  @Post(':id/deliveries/:n/resend')
  async resend(
    @Param('id', WebhookEndpointIdPipe) id: number,
    @Param('n', WebhookDeliveryIdPipe) deliveryId: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.webhooks.resend(id, deliveryId, principal));
  }
}
