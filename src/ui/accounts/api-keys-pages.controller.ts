import { Body, Get, Param, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequirePerson } from '../../auth/access.js';
import { ApiKeyIdPipe } from '../../auth/api-keys.dto.js';
import type { Principal } from '../../auth/principal.js';
import { PageController } from '../error.page.js';
import { sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { ApiKeysPage } from './api-keys.page.js';
import { ConfirmSignIn } from './confirm-sign-in.js';

@PageController('api-keys')
@RequirePerson('administrator')
@UseInterceptors(ConfirmSignIn)
export class ApiKeysPagesController {
  constructor(private readonly keys: ApiKeysPage) {}

  @Get()
  @HtmlPage()
  list(): Promise<string> {
    return this.keys.render();
  }

  @Post()
  async create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.keys.create(form, principal, response));
  }

  @Get('created')
  async created(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.keys.created(request, response));
  }

  @Post(':id/revoke')
  async revoke(
    @Param('id', ApiKeyIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.keys.revoke(id, principal));
  }
}
