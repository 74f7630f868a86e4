import { Body, Get, Injectable, Param, type PipeTransform, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CurrentPrincipal, RequireEveryPermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import {
  FileStartService,
  type ReadProposal,
  type StartedFile,
  type StartOptions,
} from '../../import-queue/file-start.service.js';
import { startedFileNotFound } from '../../import-queue/import-queue.errors.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/errors.js';
import { type FormAnswer, type ProblemView, problemView, sendFormAnswer } from '../forms.js';
import { importPath } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import { text, type TextKey } from '../texts/catalogue.js';
import {
  type EnteredField,
  enteredFields,
  fieldMistakes,
  fieldRows,
  withSamples,
} from '../workflows/field-table.js';
import { uploaderOf } from './new-import.page.js';

const PATH = '/imports/new/from-file';

/** Starting from a file: the page proposes its columns as fields, and makes a file type of them. */
@Injectable()
export class StartFromFilePage {
  constructor(
    private readonly starts: FileStartService,
    private readonly config: AppConfig,
    private readonly pages: PageRenderer,
  ) {}

  /** The form that sends the file; with the error if a file was refused. */
  choose(problem?: ProblemView): string {
    return this.pages.render('new-import/start-from-file', {
      title: text('startFromFile.title'),
      section: 'new-import',
      path: PATH,
      problem,
    });
  }

  /** Stores the file as it arrives, and goes on to its columns. */
  async receive(request: Request, principal: Principal): Promise<FormAnswer> {
    let started: StartedFile | undefined;
    try {
      const { upload: token } = (request.body ?? {}) as { upload?: unknown };
      started =
        typeof token === 'string'
          ? await this.starts.find(token, principal)
          : await this.starts.receive(request, principal);
      // Read here, too, so that a file that cannot be read is refused where another one can be chosen.
      await this.starts.propose(started);
      return { path: `${PATH}/${started.file.uploadId}` };
    } catch (error) {
      if (started !== undefined) await this.starts.discard(started);
      if (!(error instanceof DomainError)) throw error;
      // Read to its end and discarded: a connection that is closed early would lose this answer.
      request.unpipe();
      request.resume();
      return { status: error.status, html: this.choose(problemView(error)) };
    }
  }

  async show(id: string, options: StartOptions, principal: Principal): Promise<string> {
    const started = await this.starts.find(id, principal);
    const proposal = await this.starts.propose(started, options);
    return this.render(id, proposal, options);
  }

  async create(id: string, form: unknown, principal: Principal): Promise<FormAnswer> {
    const started = await this.starts.find(id, principal);
    const options = optionsIn(form);
    const name = nameIn(form);
    const fields = enteredFields(form);
    const mistakes = [...(name === '' ? [text('startFromFile.noName')] : []), ...fieldMistakes(fields)];
    try {
      if (mistakes.length > 0)
        return { status: 400, html: await this.again(id, started, form, { mistakes }) };
      const { fields: proposed } = await this.starts.propose(started, options);
      const entered = { name, fields: withSamples(fields, proposed) };
      const batch = await this.starts.create(
        started,
        entered,
        options,
        principal,
        uploaderOf(principal, this.config),
      );
      return { path: importPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID) };
    } catch (error) {
      if (!(error instanceof DomainError) || ![400, 409, 422].includes(error.status)) throw error;
      return {
        status: error.status,
        html: await this.again(id, started, form, { problem: problemView(error) }),
      };
    }
  }

  async discard(id: string, principal: Principal): Promise<string> {
    await this.starts.discard(await this.starts.find(id, principal));
    return '/imports/new';
  }

  private async again(id: string, started: StartedFile, form: unknown, more: object): Promise<string> {
    const options = optionsIn(form);
    const proposal = await this.starts.propose(started, options);
    return this.render(id, { ...proposal, name: nameIn(form) }, options, enteredFields(form), more);
  }

  private render(
    id: string,
    { fileName, name, survey, fields }: ReadProposal,
    options: StartOptions,
    entered: readonly EnteredField[] = fields,
    more: object = {},
  ): string {
    const { format, encoding, delimiter, sheet, sheets, headerRow, isHeaderDoubtful, rows } = survey;
    return this.pages.render('new-import/start-fields', {
      title: text('startFromFile.titleOf', { fileName }),
      section: 'new-import',
      path: `${PATH}/${id}`,
      discardPath: `${PATH}/${id}/discard`,
      fileName,
      name,
      readAs: text(`startFromFile.readAs.${format}`, {
        encoding,
        delimiter: delimiterText(delimiter),
        sheet,
        row: headerRow,
      }),
      rows,
      headerRow,
      isHeaderDoubtful,
      chosen: options,
      sheets: sheets?.map((value) => ({ value, selected: value === sheet })) ?? null,
      fields: fieldRows(
        entered,
        entered.map(({ header }) => fields.find((field) => field.header === header)?.samples ?? []),
      ),
      ...more,
    });
  }
}

const DELIMITER_NAMES: Readonly<Record<string, TextKey>> = {
  ',': 'confirmation.delimiters.comma',
  ';': 'confirmation.delimiters.semicolon',
  '\t': 'confirmation.delimiters.tab',
  '|': 'confirmation.delimiters.pipe',
};

/** A comma is hard to see in a sentence. */
function delimiterText(delimiter: string | null | undefined): string {
  const name = DELIMITER_NAMES[delimiter ?? ''];
  return name === undefined ? (delimiter ?? '') : text(name);
}

const nameIn = (form: unknown): string => {
  const { name } = (form ?? {}) as { name?: unknown };
  return typeof name === 'string' ? name.trim().slice(0, 190) : '';
};

/** The choices of how the file is read, from a query or a form. */
function optionsIn(given: unknown): StartOptions {
  const { headerRow, sheet } = (given ?? {}) as { headerRow?: unknown; sheet?: unknown };
  return {
    headerRow: typeof headerRow === 'string' && /^[1-9]\d{0,6}$/.test(headerRow) ? Number(headerRow) : null,
    sheet: typeof sheet === 'string' && sheet !== '' ? sheet : null,
  };
}

/** The id of a stored file in a path. */
@Injectable()
class StartedFileIdPipe implements PipeTransform<string, string> {
  transform(given: string): string {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(given)) return given;
    throw startedFileNotFound();
  }
}

@PageController('imports/new/from-file')
@RequireEveryPermission('Configure', 'BeginWorkflowImportProcess')
export class StartFromFilePagesController {
  constructor(private readonly page: StartFromFilePage) {}

  @Get()
  @HtmlPage()
  choose(): string {
    return this.page.choose();
  }

  /** The service reads the body as a stream; it is not parsed before. */
  @Post()
  async receive(
    @Req() request: Request,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.page.receive(request, principal));
  }

  @Get(':file')
  @HtmlPage()
  show(
    @Param('file', StartedFileIdPipe) id: string,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.page.show(id, optionsIn(query), principal);
  }

  @Post(':file')
  async create(
    @Param('file', StartedFileIdPipe) id: string,
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.page.create(id, form, principal));
  }

  @Post(':file/discard')
  async discard(
    @Param('file', StartedFileIdPipe) id: string,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, { path: await this.page.discard(id, principal) });
  }
}
