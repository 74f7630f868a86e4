import { Body, Get, HttpCode, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessIdPipe } from '../../import-processes/import-processes.dto.js';
import { validateForm } from '../../platform/http/validation.js';
import { sendFormAnswer } from '../forms.js';
import { HtmlPage, PageController } from '../page-renderer.js';
import { fileTypeForm, RemoveMappingDto } from './file-type-form.js';
import { FileTypesPage } from './file-types.page.js';
import { MappingPage } from './mapping.page.js';

@PageController('file-types')
@RequirePermission('Configure')
export class FileTypesPagesController {
  constructor(
    private readonly fileTypes: FileTypesPage,
    private readonly mappingPage: MappingPage,
  ) {}

  @Get()
  @HtmlPage()
  list(@CurrentPrincipal() principal: Principal): Promise<string> {
    return this.fileTypes.list(principal);
  }

  @Get('new')
  @HtmlPage()
  draft(@Query('as') as: unknown): Promise<string> {
    return this.fileTypes.draft(as === 'json');
  }

  @Post()
  async add(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.fileTypes.add(fileTypeForm(form), principal));
  }

  @Get(':id')
  @HtmlPage()
  show(
    @Param('id', ImportProcessIdPipe) id: number,
    @Query('saved') saved: unknown,
    @Query('as') as: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.fileTypes.show(id, principal, { savedVersion: Number(saved), asJson: as === 'json' });
  }

  @Post(':id')
  async save(
    @Param('id', ImportProcessIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.fileTypes.save(id, fileTypeForm(form), principal));
  }

  @Post(':id/try')
  @HttpCode(200)
  @HtmlPage()
  try(
    @Param('id', ImportProcessIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.fileTypes.try(id, form, principal);
  }

  @Get(':id/mapping')
  @HtmlPage()
  mapping(
    @Param('id', ImportProcessIdPipe) id: number,
    @Query('name') name: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.mappingPage.show(id, String(name), principal);
  }

  @Post(':id/mapping')
  async saveMapping(
    @Param('id', ImportProcessIdPipe) id: number,
    @Query('name') name: unknown,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.mappingPage.save(id, String(name), form, principal));
  }

  @Post(':id/mapping/remove')
  @Redirect(undefined, 303)
  async removeMapping(
    @Param('id', ImportProcessIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    const { name } = validateForm(RemoveMappingDto, form);
    return { url: await this.fileTypes.removeMapping(id, name, principal) };
  }

  @Post(':id/up')
  @Redirect(undefined, 303)
  async up(
    @Param('id', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: await this.fileTypes.move(id, 'up', principal) };
  }

  @Post(':id/down')
  @Redirect(undefined, 303)
  async down(
    @Param('id', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: await this.fileTypes.move(id, 'down', principal) };
  }

  @Post(':id/delete')
  @Redirect(undefined, 303)
  async remove(
    @Param('id', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: await this.fileTypes.remove(id, principal) };
  }
}
