import { Body, Controller, Get, Header, Post, Query, Req, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { PublicRoute } from '../../auth/require-permission.decorator.js';
import { LoginPage } from './login.page.js';
import { PageErrorFilter } from '../page-error.filter.js';

/** Signing in and out: the only pages that are open to everybody. */
@ApiExcludeController()
@Controller()
@PublicRoute()
@UseFilters(PageErrorFilter)
export class LoginPagesController {
  constructor(private readonly login: LoginPage) {}

  @Get('login')
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Cache-Control', 'no-store')
  form(@Query('next') next: unknown, @Query('unsent') unsent: unknown): string {
    return this.login.render(next, { unsent });
  }

  @Post('login')
  signIn(@Body() form: unknown, @Req() request: Request, @Res() response: Response): Promise<void> {
    return this.login.signIn(form, request, response);
  }

  @Post('logout')
  signOut(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.login.signOut(request, response);
  }
}
