import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Response } from 'express';
import { DomainError } from '../common/domain.error.js';
import { toProblem } from '../common/http/problem.js';
import { PageOfError } from './page-of-error.js';

/** Tells a person what the API would tell a program. */
@Catch(DomainError)
export class PageErrorFilter implements ExceptionFilter<DomainError> {
  constructor(private readonly page: PageOfError) {}

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
