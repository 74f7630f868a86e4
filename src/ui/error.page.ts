import {
  applyDecorators,
  type ArgumentsHost,
  type CallHandler,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { BrowserPage } from '../auth/access.js';
import { DomainError } from '../platform/domain-error.js';
import type { ErrorPage } from '../platform/http/problem.filter.js';
import { type Problem, toProblem } from '../platform/http/problem.js';
import { QueuePauses } from '../platform/queue/queue.module.js';
import { shownErrors } from './forms.js';
import { PageRenderer } from './page-renderer.js';
import { TEXTS } from './texts/catalogue.js';

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
