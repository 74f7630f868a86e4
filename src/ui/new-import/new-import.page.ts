import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { assertMayUse } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { visibleTo } from '../../import-processes/import-process.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { UploadDto } from '../../import-queue/upload.dto.js';
import { UploadsService } from '../../import-queue/uploads.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { validateQuery } from '../../platform/http/validation.js';
import { type FormAnswer, nonBlankFields, parameterErrors, problemView } from '../forms.js';
import { ImportActions } from '../imports/import-actions.js';
import { fileTypeIcon } from '../layout/icons.js';
import { PageRenderer } from '../page-renderer.js';

const FROM_THE_FILE = ['', 'told from the file'] as const;

const ENCODINGS: readonly (readonly [string, string])[] = [
  FROM_THE_FILE,
  ['utf-8', 'UTF-8'],
  ['windows-1252', 'Windows-1252 (Western European)'],
  ['utf-16le', 'UTF-16'],
  ['iso-8859-2', 'ISO-8859-2 (Central European)'],
  ['windows-1251', 'Windows-1251 (Cyrillic)'],
  ['shift_jis', 'Shift JIS'],
];

const DELIMITERS: readonly (readonly [string, string])[] = [
  FROM_THE_FILE,
  ['comma', 'comma'],
  ['semicolon', 'semicolon'],
  ['tab', 'tab'],
  ['pipe', 'pipe'],
];

/** How a file may be read, to choose from. `entered`: what was chosen before, when the page comes back. */
export function fileSettings(entered: Readonly<Record<string, string>> = {}) {
  return {
    encodings: selectOptions(ENCODINGS, entered.encoding),
    delimiters: selectOptions(DELIMITERS, entered.delimiter),
  };
}

function selectOptions(offered: readonly (readonly [string, string])[], chosen = '') {
  return offered.map(([value, text]) => ({ value, text, selected: value === chosen }));
}

const PATH = '/imports/new';

/** Choosing a file type, and sending a file of it. */
@Injectable()
export class NewImportPage {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly uploads: UploadsService,
    private readonly actions: ImportActions,
    private readonly pages: PageRenderer,
  ) {}

  async choose(principal: Principal): Promise<string> {
    const visible = visibleTo(principal, await this.importProcesses.list());
    return this.pages.render('new-import/choose', {
      title: 'New import',
      section: 'new-import',
      mayConfigure: principal.permissions.includes('Configure'),
      fileTypes: visible
        .filter(({ status }) => status === 'active')
        .map(({ id, name, description, icon }) => ({
          ...{ name, description, icon: fileTypeIcon(icon) },
          ...pathsOf(id),
        })),
    });
  }

  /** @param entered what was filled in besides the file, which no page can give back */
  async form(
    id: number,
    principal: Principal,
    refusal?: DomainError,
    entered: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    assertMayUse(principal, id);
    const { name, description, icon, status } = await this.importProcesses.get(id);
    const { columns } = await this.rows.rules(id);
    return this.pages.render('new-import/upload', {
      title: `Import ${name}`,
      section: 'new-import',
      ...{ name, description, icon: fileTypeIcon(icon) },
      ...pathsOf(id),
      disabled: status === 'disabled',
      columns,
      problem: refusal && problemView(refusal),
      errors: refusal && parameterErrors(refusal),
      entered,
      ...fileSettings(entered),
      hasSettings: Object.keys(nonBlankFields(entered)).length > 0,
    });
  }

  /** Takes a file in as it arrives. Where it is sent again with other settings, the earlier one is abandoned. */
  async upload(id: number, request: Request, principal: Principal): Promise<FormAnswer> {
    let entered = {};
    try {
      const opened = await this.uploads.open(request);
      const { replaces, ...fields } = Object.fromEntries(opened.fields);
      entered = fields;
      const dto = validateQuery(UploadDto, {
        ...nonBlankFields(fields),
        fileName: opened.fileName ?? '',
        importProcessId: String(id),
      });
      const batch = await this.uploads.take(dto, () => Promise.resolve(opened), principal);
      if (replaces !== undefined) await this.actions.abandonEarlier(Number(replaces), principal);
      return { path: `/imports/${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}` };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      // Read to its end and thrown away: a connection that is closed early would lose this answer.
      request.unpipe();
      request.resume();
      return { status: error.status, html: await this.form(id, principal, error, entered) };
    }
  }
}

function pathsOf(id: number) {
  const template = `/API/WorkflowImportQueue/ImportProcesses/${id}/Template`;
  return {
    path: `${PATH}/${id}`,
    onePath: `${PATH}/${id}/one`,
    csvTemplate: `${template}?format=csv`,
    jsonlTemplate: `${template}?format=jsonl`,
  };
}
