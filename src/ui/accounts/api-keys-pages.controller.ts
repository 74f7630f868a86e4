import { Body, Controller, Get, Param, Post, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { BrowserPage, CurrentPrincipal, RequirePerson } from '../../auth/access.js';
import { ApiKeyIdPipe } from '../../auth/api-keys.dto.js';
import type { Principal } from '../../auth/principal.js';
import { PageErrorFilter } from '../error.page.js';
import { HtmlPage } from '../page-renderer.js';
import { ApiKeysPage } from './api-keys.page.js';

@ApiExcludeController()
@BrowserPage()
@Controller('api-keys')
@RequirePerson('administrator')
@UseFilters(PageErrorFilter)
export class ApiKeysPagesController {
  constructor(private readonly keys: ApiKeysPage) {}

  @Get()
  @HtmlPage()
  list(): Promise<string> {
    return this.keys.render();
  }

  @Post()
  create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.keys.create(form, principal, response);
  }

  @Post(':id/revoke')
  revoke(
    @Param('id', ApiKeyIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.keys.revoke(id, principal, response);
  }
}
