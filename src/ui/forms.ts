import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { DomainError, type ProblemDetail } from '../platform/errors.js';
import { text } from './texts/catalogue.js';

/** An error as a page shows it above a form. */
export interface ProblemView {
  title: string;
  detail: string;
  errors: readonly ProblemDetail[] | undefined;
}

export function problemView({ code, title, message, options }: DomainError): ProblemView {
  return {
    title: code === 'invalid_body' ? text('common.formErrors') : title,
    detail: message,
    errors: shownErrors(message, options.errors),
  };
}

/** The errors that the detail does not state already, or states without their place. */
export function shownErrors(
  detail: string,
  errors: readonly ProblemDetail[] | undefined,
): readonly ProblemDetail[] | undefined {
  return errors
    ?.filter(({ line, pointer, message }) => (line ?? pointer) !== undefined || !detail.includes(message))
    .map(withoutRepetition);
}

/** Many messages begin with the name of the field, which need not be shown twice. */
function withoutRepetition({ parameter, pointer, ...error }: ProblemDetail): ProblemDetail {
  const isStated = (name: string | undefined) => name === undefined || error.message.startsWith(name);
  return {
    ...error,
    ...(!isStated(parameter) && { parameter }),
    ...(!isStated(pointer?.slice(1)) && { pointer }),
  };
}

/** The errors by field, which a page shows beside the field; `form`: errors of no single field. */
export type FieldErrors = Record<string, string>;

export function fieldErrors({ message, options: { errors = [] } }: DomainError): FieldErrors {
  if (errors.length === 0) return { form: message };
  const fields: FieldErrors = {};
  for (const { parameter, pointer = '', message: sentence } of errors) {
    const field = parameter ?? (pointer.split('/')[1] || 'form');
    fields[field] = fields[field] === undefined ? sentence : `${fields[field]}; ${sentence}`;
  }
  return fields;
}

/** The fields that were filled in: browsers send empty ones too, and an empty filter filters nothing. */
export function nonBlankFields(query: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));
}

/** The answer to a form: where to go on, or a page, which states why the form was refused. */
export type FormAnswer =
  { path: string } | { status: number; html: string; headers?: Readonly<Record<string, string>> };

/** After a write the browser goes on by GET, so that a reload does not send the form again. */
export function sendFormAnswer(response: Response, answer: FormAnswer): void {
  response.set('Cache-Control', 'no-store');
  if ('path' in answer) {
    response.redirect(303, answer.path);
  } else {
    response
      .status(answer.status)
      .set(answer.headers ?? {})
      .type('html')
      .send(answer.html);
  }
}

/** Errors that a person can correct in the form, or by waiting. Any other error is a page of its own. */
const FIXABLE_STATUSES: ReadonlySet<number> = new Set([400, 401, 409, 422, 429]);

/**
 * Performs what a form asks for. If the form is refused, the answer is its page again, with the errors and with what
 * was entered.
 * @param perform answers where to go on
 * @param refuse renders the page of the form
 */
export async function answerForm(
  perform: () => Promise<string | FormAnswer>,
  refuse: (error: DomainError) => Promise<string> | string,
): Promise<FormAnswer> {
  try {
    const answer = await perform();
    return typeof answer === 'string' ? { path: answer } : answer;
  } catch (error) {
    if (!(error instanceof DomainError) || !FIXABLE_STATUSES.has(error.status)) throw error;
    const { status, options } = error;
    return { status, html: await refuse(error), ...(options.headers && { headers: options.headers }) };
  }
}

/** The field that limits a key or a user to file types. `value` is the id of the import process. */
interface FileTypeOption {
  value: string;
  text: string;
  checked: boolean;
}

/** The texts of the form field `importProcessIds`, in which a single ticked checkbox arrives as one text. */
export function tickedFileTypes(form: unknown): string[] {
  const { importProcessIds } = (form ?? {}) as { importProcessIds?: unknown };
  return [importProcessIds ?? []].flat().filter((each) => typeof each === 'string');
}

/** What the ticked file types mean: none ticked is no limit. */
export const limitOf = (ticked: readonly string[]): number[] | null =>
  ticked.length === 0 ? null : ticked.map(Number);

/** Names the file types that a key or a user is limited to. */
@Injectable()
export class FileTypeLimits {
  constructor(private readonly importProcesses: ImportProcessesService) {}

  /** All file types, and the deleted ones that are ticked, so that saving the form does not widen the limit. */
  async options(ticked: readonly string[]): Promise<FileTypeOption[]> {
    const names = await this.names();
    const gone = ticked.filter((value) => /^\d{1,15}$/.test(value) && !names.has(Number(value)));
    return [
      ...[...names].map(([id, name]) => ({
        value: String(id),
        text: name,
        checked: ticked.includes(String(id)),
      })),
      ...gone.map((value) => ({ value, text: nameOfDeleted(Number(value)), checked: true })),
    ];
  }

  /** Names a limit; `null` for no limit. */
  async namer(): Promise<(importProcessIds: readonly number[] | null) => string[] | null> {
    const names = await this.names();
    return (ids) => ids?.map((id) => names.get(id) ?? nameOfDeleted(id)) ?? null;
  }

  private async names(): Promise<ReadonlyMap<number, string>> {
    return new Map((await this.importProcesses.list()).map(({ id, name }) => [id, name]));
  }
}

const nameOfDeleted = (id: number) => text('accounts.fileTypeGone', { id });
