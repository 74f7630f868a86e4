import { CreateApiKeyDto } from '../../auth/dto/create-api-key.dto.js';
import { DomainError } from '../../common/domain.error.js';
import { validateForm } from '../../common/http/validate-form.js';

/** What the form was sent with, as far as it is shown again. */
export interface EnteredApiKey {
  name: string;
  permissions: readonly string[];
  importProcessIds: readonly string[];
  expiresOn: string;
}

const text = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
const list = (value: unknown): string[] =>
  value === undefined ? [] : [value].flat().filter((each): each is string => typeof each === 'string');

export function enteredApiKey(form: unknown): EnteredApiKey {
  const { name, permissions, importProcessIds, expiresOn } = (form ?? {}) as Record<string, unknown>;
  return {
    name: text(name),
    permissions: list(permissions),
    importProcessIds: list(importProcessIds),
    expiresOn: text(expiresOn),
  };
}

/** By the rules of the API; a key works to the end of its last day, in UTC. No file type ticked: all of them. */
export function readApiKeyForm(entered: EnteredApiKey): CreateApiKeyDto {
  const { name, permissions, importProcessIds, expiresOn } = entered;
  if (expiresOn !== '' && !isDate(expiresOn)) throw wrongDate();
  return validateForm(CreateApiKeyDto, {
    name,
    permissions,
    ...(importProcessIds.length > 0 && { importProcessIds: importProcessIds.map(Number) }),
    ...(expiresOn !== '' && { expiresAt: `${expiresOn}T23:59:59Z` }),
  });
}

const isDate = (given: string) =>
  /^\d{4}-\d\d-\d\d$/.test(given) && new Date(given).toJSON()?.slice(0, 10) === given;

function wrongDate(): DomainError {
  const message = 'the last day must be a date like 2027-12-31';
  return new DomainError(400, 'invalid_body', 'The form is not usable', `${message}.`, {
    errors: [{ pointer: '/expiresAt', code: 'invalid_value', message }],
  });
}
