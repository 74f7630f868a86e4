import { Body, Get, HttpCode, Injectable, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { assertMayUse, CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { mayReceiveMail } from '../../delivery/mailer.js';
import { visibleTo } from '../../import-processes/import-process.js';
import { ImportProcessIdPipe } from '../../import-processes/import-processes.dto.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { UploadDto } from '../../import-queue/create-batch.dto.js';
import { ResumableUploads } from '../../import-queue/resumable-uploads.service.js';
import { RowSubmissionService } from '../../import-queue/row-submission.service.js';
import { UploadsService } from '../../import-queue/uploads.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/errors.js';
import { publicPath } from '../../platform/http/answers.js';
import { validateQuery } from '../../platform/http/validation.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { oneLine } from '../../platform/wording.js';
import type { RecordError, RowColumn } from '../../records/target.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { fieldErrors, type FormAnswer, nonBlankFields, problemView, sendFormAnswer } from '../forms.js';
import { fieldName } from '../imports/column-form.js';
import { fileTypeIcon } from '../layout/assets.js';
import { importPath, templatePath, withQuery } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import { text, type TextKey } from '../texts/catalogue.js';
import { filledIn, rowFields, rowOf } from './row-form.js';

const DETECT = ['', 'upload.detect'] as const;

const ENCODINGS: readonly (readonly [string, TextKey])[] = [
  DETECT,
  ['utf-8', 'upload.encodings.utf8'],
  ['windows-1252', 'upload.encodings.windows1252'],
  ['utf-16le', 'upload.encodings.utf16'],
  ['iso-8859-2', 'upload.encodings.iso88592'],
  ['windows-1251', 'upload.encodings.windows1251'],
  ['shift_jis', 'upload.encodings.shiftJis'],
];

const DELIMITERS: readonly (readonly [string, TextKey])[] = [
  DETECT,
  ['comma', 'confirmation.delimiters.comma'],
  ['semicolon', 'confirmation.delimiters.semicolon'],
  ['tab', 'confirmation.delimiters.tab'],
  ['pipe', 'confirmation.delimiters.pipe'],
];

/**
 * The choices of how to read a file.
 * @param entered what was chosen before, when the form is shown again
 */
function fileSettings(entered: Readonly<Record<string, string>> = {}) {
  return {
    encodings: selectOptions(ENCODINGS, entered.encoding),
    delimiters: selectOptions(DELIMITERS, entered.delimiter),
  };
}

function selectOptions(offered: readonly (readonly [string, TextKey])[], chosen = '') {
  return offered.map(([value, key]) => ({ value, text: text(key), selected: value === chosen }));
}

const PATH = '/imports/new';
const LONGEST_FILE_NAME = 255;

/** Choosing a file type, and uploading a file of it. */
@Injectable()
export class NewImportPage {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly uploads: UploadsService,
    private readonly resumable: ResumableUploads,
    private readonly config: AppConfig,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly pages: PageRenderer,
  ) {}

  async choose(principal: Principal): Promise<string> {
    const visible = visibleTo(principal, await this.importProcesses.list());
    return this.pages.render('new-import/choose', {
      title: text('newImport.title'),
      section: 'new-import',
      mayConfigure: principal.permissions.includes('Configure'),
      needsWorkflow: (await this.workflows.list()).length === 0,
      fileTypes: visible
        .filter(({ status }) => status === 'active')
        .map(({ id, name, description, icon }) => ({
          ...{ name, description, icon: fileTypeIcon(icon) },
          ...pathsOf(id),
        })),
    });
  }

  /** @param entered what was entered besides the file, which no page can give back */
  async form(
    id: number,
    principal: Principal,
    refusal?: DomainError,
    entered: Readonly<Record<string, string>> = uploaderOf(principal, this.config),
  ): Promise<string> {
    assertMayUse(principal, id);
    const { name, description, icon, status, allowWithoutIdentifier } = await this.importProcesses.get(id);
    const { columns } = await this.rows.rules(id);
    return this.pages.render('new-import/upload', {
      title: text('upload.title', { name }),
      section: 'new-import',
      ...{ name, description, icon: fileTypeIcon(icon) },
      ...pathsOf(id),
      disabled: status === 'disabled',
      columns: describedColumns(columns, allowWithoutIdentifier),
      problem: refusal && problemView(refusal),
      errors: refusal && fieldErrors(refusal),
      entered,
      ...fileSettings(entered),
      hasSettings: refusal !== undefined && Object.keys(nonBlankFields(entered)).length > 0,
    });
  }

  /** @returns the address that takes the parts of the file */
  async begin(fileName: string, request: Request, principal: Principal): Promise<string> {
    const name = oneLine(fileName, LONGEST_FILE_NAME) || 'file';
    const { token } = await this.resumable.beginFile(name, request, principal);
    return `${publicPath(this.config.publicUrl)}/API/WorkflowImportQueue/Uploads/Parts/${token}`;
  }

  /** Takes a file in as it arrives, or one that has arrived in several requests: the form then names it as `upload`. */
  async upload(id: number, request: Request, principal: Principal): Promise<FormAnswer> {
    const { upload: token, ...sent } = (request.body ?? {}) as Record<string, unknown>;
    let entered: Record<string, string> = {};
    const dtoOf = (fields: Record<string, string>, fileName: string) => {
      entered = fields;
      return validateQuery(UploadDto, { ...nonBlankFields(fields), fileName, importProcessId: String(id) });
    };
    try {
      if (typeof token === 'string') {
        const file = await this.uploads.arrived(token, principal);
        const dto = dtoOf(sent as Record<string, string>, file.fileName);
        return { path: importPath(await this.uploads.takeArrived(dto, file, principal)) };
      }
      const opened = await this.uploads.open(request);
      const dto = dtoOf(Object.fromEntries(opened.fields), opened.fileName ?? '');
      const batch = await this.uploads.take(dto, () => Promise.resolve(opened), principal);
      return { path: importPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID) };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      // Read to its end and discarded: a connection that is closed early would lose this answer.
      request.unpipe();
      request.resume();
      return { status: error.status, html: await this.form(id, principal, error, entered) };
    }
  }
}

/** @param allowWithoutIdentifier if not, a row needs one of the identifiers, whichever it is */
function describedColumns(columns: readonly RowColumn[], allowWithoutIdentifier: boolean) {
  const names = columns.filter(({ kind }) => kind === 'identifier').map(({ name }) => fieldName(name));
  const oneIsNeeded = !allowWithoutIdentifier && names.length > 1;
  return columns.map(({ name, description, required, kind }) => ({
    label: fieldName(name),
    description,
    required:
      oneIsNeeded && kind === 'identifier'
        ? text('upload.oneIdentifier', { names: names.join(', ') })
        : text(required ? 'common.yes' : 'common.no'),
  }));
}

function pathsOf(id: number) {
  return {
    path: `${PATH}/${id}`,
    onePath: `${PATH}/${id}/one`,
    csvTemplate: withQuery(templatePath(id), { format: 'csv' }),
    xlsxTemplate: withQuery(templatePath(id), { format: 'xlsx' }),
    jsonlTemplate: withQuery(templatePath(id), { format: 'jsonl' }),
  };
}

/** Who uploads a file learns how its import ended, unless this installation does not send mail to their address. */
export function uploaderOf(
  { user, name }: Principal,
  config: AppConfig,
): Pick<UploadDto, 'sendSuccessEmailTo' | 'sendFailureEmailTo'> {
  const isAddressed = user !== undefined && mayReceiveMail(config, name);
  return isAddressed ? { sendSuccessEmailTo: name, sendFailureEmailTo: name } : {};
}

const pathOf = (id: number) => `/imports/new/${id}/one`;

/** Rows entered one by one: each becomes an import of its own. */
@Injectable()
export class OneRowPage {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly submission: RowSubmissionService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param sent the import of the previous row */
  async form(
    id: number,
    principal: Principal,
    sent: number | null,
    values: ReadonlyMap<string, string> = new Map(),
    error: RecordError | null = null,
    refusal?: DomainError,
  ): Promise<string> {
    assertMayUse(principal, id);
    const { name, status } = await this.importProcesses.get(id);
    const rules = await this.rows.rules(id);
    const fields = rowFields(rules, values, error);
    return this.pages.render('new-import/one', {
      title: text('oneRow.title', { name }),
      section: 'new-import',
      name,
      path: pathOf(id),
      uploadPath: `/imports/new/${id}`,
      fields,
      disabled: status === 'disabled',
      problem: refusal && problemView(refusal),
      // An error of no column of the form is shown above it.
      error: error !== null && fields.every((field) => field.error === null) ? error : null,
      sent: sent === null ? null : importPath(sent),
    });
  }

  async submit(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    assertMayUse(principal, id);
    const values = filledIn(form);
    const payload = rowOf(values);
    const { error } = (await this.rows.rules(id)).checkRow(JSON.parse(payload) as JsonObject, payload);
    if (error !== null) return { status: 400, html: await this.form(id, principal, null, values, error) };
    const { name } = await this.importProcesses.get(id);
    const fileName = text('oneRow.fileName', { name }).slice(0, LONGEST_FILE_NAME);
    try {
      const sent = await this.submission.submit(id, fileName, [{ line: 1, payload }], principal);
      return { path: withQuery(pathOf(id), { sent }) };
    } catch (refusal) {
      if (!(refusal instanceof DomainError)) throw refusal;
      return { status: refusal.status, html: await this.form(id, principal, null, values, null, refusal) };
    }
  }
}

@PageController('imports/new')
@RequirePermission('BeginWorkflowImportProcess')
export class NewImportPagesController {
  constructor(
    private readonly newImport: NewImportPage,
    private readonly oneRow: OneRowPage,
  ) {}

  @Get()
  @HtmlPage()
  choose(@CurrentPrincipal() principal: Principal): Promise<string> {
    return this.newImport.choose(principal);
  }

  /** Begins an upload in several requests: the page sends the parts to the address in `Location`, then submits its form. */
  @Post('parts')
  @HttpCode(201)
  async begin(
    @Query('fileName') fileName: unknown,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    const name = typeof fileName === 'string' ? fileName : '';
    response.location(await this.newImport.begin(name, request, principal));
  }

  @Get(':type')
  @HtmlPage()
  form(
    @Param('type', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.newImport.form(id, principal);
  }

  /** The service reads a file as a stream; a form without one names an upload that has arrived. */
  @Post(':type')
  async upload(
    @Param('type', ImportProcessIdPipe) id: number,
    @Req() request: Request,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.newImport.upload(id, request, principal));
  }

  @Get(':type/one')
  @HtmlPage()
  one(
    @Param('type', ImportProcessIdPipe) id: number,
    @Query('sent') sent: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    const isId = typeof sent === 'string' && /^\d{1,15}$/.test(sent);
    return this.oneRow.form(id, principal, isId ? Number(sent) : null);
  }

  @Post(':type/one')
  async submit(
    @Param('type', ImportProcessIdPipe) id: number,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.oneRow.submit(id, form, principal));
  }
}
