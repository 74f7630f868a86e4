import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Response } from 'express';
import { DomainError } from '../common/domain.error.js';
import { PageRenderer } from './page-renderer.js';

/** Tells a person what the API would tell a program. */
@Catch(DomainError)
export class PageErrorFilter implements ExceptionFilter<DomainError> {
  constructor(private readonly pages: PageRenderer) {}

  catch(error: DomainError, host: ArgumentsHost): void {
    const page = this.pages.render('error', {
      title: error.title,
      detail: error.message,
      status: error.status,
      errors: error.options.errors,
    });
    host
      .switchToHttp()
      .getResponse<Response>()
      .status(error.status)
      .set(error.options.headers ?? {})
      .type('html')
      .send(page);
  }
}
