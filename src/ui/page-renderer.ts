import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  applyDecorators,
  type ArgumentsHost,
  type CallHandler,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Header,
  Injectable,
  type NestInterceptor,
  type OnModuleInit,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import Handlebars from 'handlebars';
import { type AuthenticatedRequest, BrowserPage } from '../auth/access.js';
import { AppConfig } from '../platform/config/config.js';
import { DomainError } from '../platform/errors.js';
import { pageBelow, publicPath } from '../platform/http/answers.js';
import { type ErrorPage, type Problem, toProblem } from '../platform/http/problem.filter.js';
import { currentRequest } from '../platform/instrumentation.js';
import { QueuePauses } from '../platform/queue/queues.js';
import { formatNumber, formatTime } from '../platform/wording.js';
import { shownErrors } from './forms.js';
import { Assets } from './layout/assets.js';
import { navigation, type Section } from './layout/navigation.js';
import { html, queueText, TEXTS, type TextValues } from './texts/catalogue.js';

const VIEWS = join(import.meta.dirname, 'views');

/** What every page tells the layout. */
export interface PageModel {
  title: string;
  /** The entry of the header to mark as the current one. */
  section?: Section;
  /** Seconds after which browsers without JavaScript reload the page. */
  refreshSeconds?: number | null;
  /** The values of the view itself. */
  [name: string]: unknown;
}

/**
 * Renders the Handlebars views. Handlebars is not used as Express's view engine: an environment of our own has no
 * global state, and every view is compiled at startup, so that a broken one stops it.
 * Views take their texts from the catalogue: `{{t "recent.title"}}`.
 * `{{value}}` is escaped; no view uses the unescaped form (a test ensures it).
 * Why: ADR 14.
 */
@Injectable()
export class PageRenderer implements OnModuleInit {
  private readonly handlebars = Handlebars.create();
  private readonly views = new Map<string, Handlebars.TemplateDelegate>();

  private readonly publicPath: string;

  constructor(
    private readonly assets: Assets,
    private readonly pauses: QueuePauses,
    { publicUrl }: AppConfig,
  ) {
    this.publicPath = publicPath(publicUrl);
  }

  async onModuleInit(): Promise<void> {
    await this.assets.load();
    this.handlebars.registerHelper({
      t: (key: string, options: { hash: TextValues }) => new Handlebars.SafeString(html(key, options.hash)),
      number: (value: number) => formatNumber(value),
      time: (value: string) => formatTime(value),
      asset: (name: string) => this.assets.path(name),
      join: (list: readonly string[]) => list.join(', '),
      same: (a: unknown, b: unknown) => a === b,
      concat: (...texts: unknown[]) => texts.slice(0, -1).join(''),
    });
    for (const file of await readdir(VIEWS, { recursive: true })) {
      if (!file.endsWith('.hbs')) continue;
      const name = file.replaceAll('\\', '/').replace(/\.hbs$/, '');
      const source = await readFile(join(VIEWS, file), 'utf8');
      const partial = /(?:^|\/)_([^/]+)$/.exec(name)?.[1];
      if (partial !== undefined) this.handlebars.registerPartial(partial, source.trimEnd());
      else this.views.set(name, this.handlebars.compile(source, { preventIndent: true }));
    }
  }

  /**
   * Renders a page. The header names the person who is signed in and offers the pages that person may open.
   * @param name a file of `views/` without its extension
   */
  render(name: string, model: PageModel): string {
    const { principal } = (currentRequest() ?? {}) as Partial<AuthenticatedRequest>;
    const isReader = principal?.permissions.includes('ViewImports') ?? false;
    const pausedQueues = isReader ? this.pauses.lastKnown.map(queueText).join(', ') : '';
    const header = principal && navigation(principal, model.section);
    return this.fragment(name, { header, pausedQueues, ...model });
  }

  /** Renders a part of a page, which htmx puts in the place of an older one. */
  fragment(name: string, model: object): string {
    return pageBelow(this.publicPath, this.view(name)(model));
  }

  private view(name: string): Handlebars.TemplateDelegate {
    const view = this.views.get(name);
    if (view === undefined) throw new Error(`there is no view "${name}"`);
    return view;
  }
}

/** The handler answers a page. No cache keeps it: it shows the present state, to one person. */
export const HtmlPage = () =>
  applyDecorators(Header('Content-Type', 'text/html; charset=utf-8'), Header('Cache-Control', 'no-store'));

/** A sentence that only a program can follow. */
const FOR_PROGRAMS = /\b(GET|POST|PUT|PATCH|DELETE) \/|\/API\/|\/docs\b/;

/** Errors that pages word differently than the API, by code. */
const PAGE_ERRORS: Readonly<Record<string, { title: string; detail: string }>> = TEXTS.errors;

/** The page that tells a person what the API tells a program. */
@Injectable()
export class HtmlErrorPage implements ErrorPage {
  constructor(private readonly pages: PageRenderer) {}

  render({ status, code, title, detail, errors }: Problem): string {
    const words = PAGE_ERRORS[code] ?? { title, detail: forPeople(detail) };
    return this.pages.render('error', { ...words, status, errors: shownErrors(detail, errors) });
  }
}

/** Without the sentences that only a program can follow; all of them if nothing would be left. */
function forPeople(detail: string): string {
  const sentences = detail.split(/(?<=[.!?]) /);
  return sentences.filter((sentence) => !FOR_PROGRAMS.test(sentence)).join(' ') || detail;
}

/** Answers an error of a page with a page. */
@Catch(DomainError)
export class PageErrorFilter implements ExceptionFilter<DomainError> {
  constructor(private readonly page: HtmlErrorPage) {}

  catch(error: DomainError, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    response.locals.problemCode = error.code;
    response
      .status(error.status)
      .set(error.options.headers ?? {})
      .type('html')
      .send(this.page.render(toProblem(error, '')));
  }
}

/** Finds out which queues are paused before a page is rendered: every page shows it. */
@Injectable()
export class QueuePausesInterceptor implements NestInterceptor {
  constructor(private readonly pauses: QueuePauses) {}

  async intercept(_context: ExecutionContext, next: CallHandler) {
    await this.pauses.readSoon();
    return next.handle();
  }
}

/** A controller of pages: absent from the API description, behind the sign-in page, its errors answered as pages. */
export const PageController = (path = '') =>
  applyDecorators(
    ApiExcludeController(),
    BrowserPage(),
    Controller(path),
    UseFilters(PageErrorFilter),
    UseInterceptors(QueuePausesInterceptor),
  );
