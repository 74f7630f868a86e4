import { Body, Get, HttpCode, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { BatchIdPipe } from '../../batches/batch-reader.js';
import { DownloadResultsDto } from '../../import-queue/batches.dto.js';
import { OverviewService } from '../../import-queue/overview.service.js';
import { ResultDownload } from '../../import-queue/result-download.js';
import { validateForm } from '../../platform/http/validation.js';
import { nonBlankFields, sendFormAnswer } from '../forms.js';
import { importPath, recordPath } from '../layout/navigation.js';
import { HtmlPage, PageController } from '../page-renderer.js';
import { ConfirmationPage } from './confirmation.page.js';
import { FixPage, type SavedDraft } from './fix.page.js';
import { ImportActions } from './import-actions.js';
import { ImportPage, RecordDetailPage } from './import.page.js';
import { FollowImportDto, RecordLinePipe, ShowImportDto, ShowUndoDto, UseMappingDto } from './imports.dto.js';
import { RecentImportsPage } from './recent-imports.page.js';
import { UndoPage } from './undo.page.js';

@PageController()
@RequirePermission('ViewImports')
export class ImportsPagesController {
  constructor(
    private readonly recentImports: RecentImportsPage,
    private readonly importPage: ImportPage,
    private readonly recordPage: RecordDetailPage,
    private readonly confirmationPage: ConfirmationPage,
    private readonly fixPage: FixPage,
    private readonly undoPage: UndoPage,
    private readonly actions: ImportActions,
    private readonly download: ResultDownload,
    private readonly overview: OverviewService,
  ) {}

  /** Operators and administrators begin at the overview. */
  @Get()
  @Redirect('/imports')
  home(@CurrentPrincipal() { permissions }: Principal): { url: string } {
    return { url: permissions.includes('ManageImports') ? '/overview' : '/imports' };
  }

  @Get('imports')
  async imports(
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.recentImports.answer(nonBlankFields(query), principal));
  }

  @Get('imports/:id')
  @HtmlPage()
  async import(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: ShowImportDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    const page = await this.importPage.render(id, query, principal);
    if (principal.user !== undefined) await this.overview.markViewed(id, principal);
    return page;
  }

  /** The part of the page that changes while the import runs; the whole page once its status has changed. */
  @Get('imports/:id/live')
  @HtmlPage()
  async live(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: FollowImportDto,
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    const { html, isWholePage } = await this.importPage.live(id, query, principal);
    if (isWholePage) {
      if (principal.user !== undefined) await this.overview.markViewed(id, principal);
      response.set({ 'HX-Retarget': '#content', 'HX-Reselect': '#content', 'HX-Reswap': 'outerMorph' });
    }
    return html;
  }

  @Get('imports/:id/records/:line')
  @HtmlPage()
  record(
    @Param('id', BatchIdPipe) id: number,
    @Param('line', RecordLinePipe) line: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.recordPage.render(id, line, principal);
  }

  /** Resolves an unknown record. */
  @Post('imports/:id/records/:line/:action')
  @RequirePermission('ManageImports')
  @Redirect(undefined, 303)
  async resolve(
    @Param('id', BatchIdPipe) id: number,
    @Param('line', RecordLinePipe) line: number,
    @Param('action') action: string,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    await this.actions.resolve(action, id, line, principal);
    return { url: recordPath(id, line) };
  }

  @Get('imports/:id/fix')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @HtmlPage()
  fix(
    @Param('id', BatchIdPipe) id: number,
    @Query('after') after: string | undefined,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.fixPage.form(id, after, principal);
  }

  @Get('imports/:id/undo')
  @RequirePermission('ManageImports')
  @HtmlPage()
  undo(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: ShowUndoDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.undoPage.render(id, query, principal);
  }

  @Post('imports/:id/fix')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  async resend(
    @Param('id', BatchIdPipe) id: number,
    @Query('after') after: string | undefined,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.fixPage.submit(id, after, form, principal));
  }

  /** Saves what a person changes in the grid, as they change it. */
  @Post('imports/:id/fix/draft')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @HttpCode(200)
  saveDraft(
    @Param('id', BatchIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<SavedDraft> {
    return this.fixPage.save(id, form, principal);
  }

  @Post('imports/:id/fix/discard')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  @Redirect(undefined, 303)
  async discardDraft(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: await this.fixPage.discard(id, principal) };
  }

  /** Matches the columns of an upload to fields. */
  @Post('imports/:id/columns')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  async columns(
    @Param('id', BatchIdPipe) id: number,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.confirmationPage.applyColumns(id, form, principal));
  }

  /** Reads the file of an upload again in another way. */
  @Post('imports/:id/read')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  async read(
    @Param('id', BatchIdPipe) id: number,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.confirmationPage.applyReading(id, form, principal));
  }

  /** Reads the file of an upload again with a saved mapping, or without any. */
  @Post('imports/:id/mapping')
  @RequirePermission('ManageImports', 'BeginWorkflowImportProcess')
  async useMapping(
    @Param('id', BatchIdPipe) id: number,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    const chosen = validateForm(UseMappingDto, form);
    sendFormAnswer(response, await this.confirmationPage.useMapping(id, chosen, principal));
  }

  /** Saves how the file of an upload was read, for later files. */
  @Post('imports/:id/mapping/save')
  @RequirePermission('ManageImports', 'Configure')
  async saveMapping(
    @Param('id', BatchIdPipe) id: number,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.confirmationPage.saveMapping(id, form, principal));
  }

  /** A page, not an API route: after the session ended it leads to the sign-in page instead of saving an error as the file. */
  @Get('imports/:id/results')
  results(
    @Param('id', BatchIdPipe) id: number,
    @Query() query: DownloadResultsDto,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    return this.download.send(id, query, principal, response);
  }

  @Post('imports/:id/:action')
  @RequirePermission('ManageImports')
  @Redirect(undefined, 303)
  async act(
    @Param('id', BatchIdPipe) id: number,
    @Param('action') action: string,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: importPath(await this.actions.perform(action, id, principal)) };
  }
}
