import { Body, Controller, Get, Param, Post, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { BrowserPage, CurrentPrincipal, RequirePerson } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { UserIdPipe } from '../../auth/users.dto.js';
import { PageErrorFilter } from '../error.page.js';
import { HtmlPage } from '../page-renderer.js';
import { UserPage, UsersPage } from './users.page.js';

@ApiExcludeController()
@BrowserPage()
@Controller('users')
@RequirePerson('administrator')
@UseFilters(PageErrorFilter)
export class UsersPagesController {
  constructor(
    private readonly users: UsersPage,
    private readonly user: UserPage,
  ) {}

  @Get()
  @HtmlPage()
  list(): Promise<string> {
    return this.users.render();
  }

  @Post()
  create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.users.create(form, principal, response);
  }

  @Get(':id')
  @HtmlPage()
  show(@Param('id', UserIdPipe) id: number): Promise<string> {
    return this.user.render(id);
  }

  @Post(':id/role')
  changeRole(
    @Param('id', UserIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.user.changeRole(id, form, principal, response);
  }

  @Post(':id/password')
  setPassword(
    @Param('id', UserIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.user.setPassword(id, form, principal, response);
  }

  @Post(':id/disable')
  disable(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.user.disable(id, principal, response);
  }

  @Post(':id/enable')
  enable(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.user.enable(id, principal, response);
  }

  @Post(':id/sign-out')
  signOut(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    return this.user.signOut(id, principal, response);
  }
}
