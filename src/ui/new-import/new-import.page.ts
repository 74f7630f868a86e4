import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { assertMayUse } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { visibleTo } from '../../import-processes/import-process.js';
import { mayReceiveMail } from '../../delivery/mailer.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { UploadDto } from '../../import-queue/upload.dto.js';
import { ResumableUploads } from '../../import-queue/resumable-uploads.service.js';
import { UploadsService } from '../../import-queue/uploads.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/domain-error.js';
import { publicPath } from '../../platform/http/headers.js';
import { validateQuery } from '../../platform/http/validation.js';
import { oneLine } from '../../platform/wording.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { fieldErrors, type FormAnswer, nonBlankFields, problemView } from '../forms.js';
import { fileTypeIcon } from '../layout/icons.js';
import { importPath, templatePath, withQuery } from '../layout/links.js';
import { fieldName } from '../imports/column-form.js';
import { PageRenderer } from '../page-renderer.js';
import { text, type TextKey } from '../texts/catalogue.js';

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
    const { name, description, icon, status } = await this.importProcesses.get(id);
    const { columns } = await this.rows.rules(id);
    return this.pages.render('new-import/upload', {
      title: text('upload.title', { name }),
      section: 'new-import',
      ...{ name, description, icon: fileTypeIcon(icon) },
      ...pathsOf(id),
      disabled: status === 'disabled',
      columns: columns.map((column) => ({ ...column, label: fieldName(column.name) })),
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
