import type { DomainError } from '../../common/domain.error.js';

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
