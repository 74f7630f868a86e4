import type { Response } from 'express';
import { DomainError, type ProblemDetail } from '../platform/domain-error.js';

/** A refusal as a page tells it above a form. */
export interface ProblemView {
  title: string;
  detail: string;
  errors: readonly ProblemDetail[] | undefined;
}

export function problemView({ title, message, options }: DomainError): ProblemView {
  return { title, detail: message, errors: shownErrors(message, options.errors) };
}

/** What the detail does not say already, or says without its place. */
export function shownErrors(
  detail: string,
  errors: readonly ProblemDetail[] | undefined,
): readonly ProblemDetail[] | undefined {
  return errors
    ?.filter(({ line, pointer, message }) => (line ?? pointer) !== undefined || !detail.includes(message))
    .map(inOneSentence);
}

/** Many messages begin with the name of the field, which then need not be said twice. */
function inOneSentence({ parameter, pointer, ...error }: ProblemDetail): ProblemDetail {
  const saysIt = (name: string | undefined) => name === undefined || error.message.startsWith(name);
  return {
    ...error,
    ...(!saysIt(parameter) && { parameter }),
    ...(!saysIt(pointer?.slice(1)) && { pointer }),
  };
}

/** By the name of the field: what is wrong with it. */
export function parameterErrors({ options: { errors = [] } }: DomainError): Record<string, string> {
  return Object.fromEntries(
    errors.flatMap(({ parameter, message }) => (parameter === undefined ? [] : [[parameter, message]])),
  );
}

/** Field name to what is wrong with it, for a page to show beside the field; `form`: of no field alone. */
export type FieldErrors = Record<string, string>;

export function fieldErrors({ message, options: { errors = [] } }: DomainError): FieldErrors {
  if (errors.length === 0) return { form: message };
  const fields: FieldErrors = {};
  for (const { pointer = '', message: sentence } of errors) {
    const field = pointer.split('/')[1] || 'form';
    fields[field] = fields[field] === undefined ? sentence : `${fields[field]}; ${sentence}`;
  }
  return fields;
}

/** A form sends its empty fields too: in a query they ask for nothing. */
export function nonBlankFields(query: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));
}

/** What a form did: where to go on, or the page that says why not. */
export type FormAnswer = { path: string } | { status: number; html: string };

/** After a write the browser goes on by GET, so that a reload does not send the form again. */
export function sendFormAnswer(response: Response, answer: FormAnswer): void {
  response.set('Cache-Control', 'no-store');
  if ('path' in answer) response.redirect(303, answer.path);
  else response.status(answer.status).type('html').send(answer.html);
}

/** What a person can mend in the form, or by waiting. Anything else is a page of its own. */
const FIXABLE_STATUSES: ReadonlySet<number> = new Set([400, 401, 409, 422, 429]);

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
    if (!(error instanceof DomainError) || !FIXABLE_STATUSES.has(error.status)) throw error;
    const html = await page(fieldErrors(error));
    response
      .status(error.status)
      .set(error.options.headers ?? {})
      .type('html')
      .send(html);
  }
}
