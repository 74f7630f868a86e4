import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { DomainError } from '../platform/domain-error.js';
import type { ErrorPage } from '../platform/http/problem.filter.js';
import { type Problem, toProblem } from '../platform/http/problem.js';
import { shownErrors } from './forms.js';
import { PageRenderer } from './page-renderer.js';

/** A sentence that tells a program where to ask. */
const FOR_PROGRAMS = /\b(GET|POST|PUT|PATCH|DELETE) \/|\/API\/|\/docs\b/;

/** What people are told in other words than programs, by the code of the error. */
const IN_OTHER_WORDS: Readonly<Record<string, { title: string; detail: string }>> = {
  permission_denied: {
    title: 'You may not open this',
    detail: 'Your account lacks the permission for it. Ask an administrator.',
  },
  import_process_not_allowed: {
    title: 'You may not open this',
    detail: 'You may not use this file type. Ask an administrator.',
  },
  route_not_found: {
    title: 'There is no such page',
    detail: 'Nothing is at this address. It may be mistyped, or what was there is gone.',
  },
};

/** The page that tells a person what the API would tell a program. */
@Injectable()
export class HtmlErrorPage implements ErrorPage {
  constructor(private readonly pages: PageRenderer) {}

  render({ status, code, title, detail, errors }: Problem): string {
    const told = IN_OTHER_WORDS[code] ?? { title, detail: forPeople(detail) };
    return this.pages.render('error', { ...told, status, errors: shownErrors(detail, errors) });
  }
}

/** Without the sentences that only a program could follow; all of them, where nothing would be left. */
function forPeople(detail: string): string {
  const sentences = detail.split(/(?<=[.!?]) /);
  return sentences.filter((sentence) => !FOR_PROGRAMS.test(sentence)).join(' ') || detail;
}

/** Tells a person what the API would tell a program. */
@Catch(DomainError)
export class PageErrorFilter implements ExceptionFilter<DomainError> {
  constructor(private readonly page: HtmlErrorPage) {}

  catch(error: DomainError, host: ArgumentsHost): void {
    host
      .switchToHttp()
      .getResponse<Response>()
      .status(error.status)
      .set(error.options.headers ?? {})
      .type('html')
      .send(this.page.render(toProblem(error, '')));
  }
}
