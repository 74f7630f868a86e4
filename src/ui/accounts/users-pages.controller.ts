import { Body, Get, Param, Post, Res, UseInterceptors } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePerson } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { UserIdPipe } from '../../auth/users.dto.js';
import { PageController } from '../error.page.js';
import { sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { ConfirmSignIn } from './confirm-sign-in.js';
import { UserPage, UsersPage } from './users.page.js';

@PageController('users')
@RequirePerson('administrator')
@UseInterceptors(ConfirmSignIn)
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
  async create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.users.create(form, principal));
  }

  @Get(':id')
  @HtmlPage()
  show(@Param('id', UserIdPipe) id: number): Promise<string> {
    return this.user.render(id);
  }

  @Post(':id/role')
  async changeAccess(
    @Param('id', UserIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.changeAccess(id, form, principal));
  }

  @Post(':id/password')
  async setPassword(
    @Param('id', UserIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.setPassword(id, form, principal));
  }

  @Post(':id/disable')
  async disable(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.disable(id, principal));
  }

  @Post(':id/invite')
  async invite(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.invite(id, principal));
  }

  @Post(':id/enable')
  async enable(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.enable(id, principal));
  }

  @Post(':id/sign-out')
  async signOut(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.signOut(id, principal));
  }
}
