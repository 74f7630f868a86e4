import type { Response } from 'express';
import { DomainError } from '../../common/domain.error.js';
import { fieldErrors, type FieldErrors } from './field-errors.js';

/** What a person can mend in the form, or by waiting. Anything else is a page of its own. */
const MENDABLE: ReadonlySet<number> = new Set([400, 401, 409, 422, 429]);

/**
 * Does what a form asks for and leads on to the path the action answers; a reload then sends nothing twice. What can be
 * shown only once has no path, and is answered as a page. What is wrong is shown in the page of the form, with what was
 * entered.
 */
export async function answerForm(
  response: Response,
  action: () => Promise<string | { createdPage: string }>,
  page: (errors: FieldErrors) => Promise<string> | string,
): Promise<void> {
  response.set('Cache-Control', 'no-store');
  try {
    const answer = await action();
    if (typeof answer === 'string') response.redirect(303, answer);
    else response.status(201).type('html').send(answer.createdPage);
  } catch (error) {
    if (!(error instanceof DomainError) || !MENDABLE.has(error.status)) throw error;
    const html = await page(fieldErrors(error));
    response
      .status(error.status)
      .set(error.options.headers ?? {})
      .type('html')
      .send(html);
  }
}
