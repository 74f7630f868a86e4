import { Injectable } from '@nestjs/common';
import { type ApiKeyResource, CreateApiKeyDto, type CreatedApiKey } from '../../auth/api-keys.dto.js';
import { ApiKeysService } from '../../auth/api-keys.service.js';
import { CreatorNames } from '../../auth/creator-names.js';
import { PERMISSIONS, type Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/domain-error.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FieldErrors, type FormAnswer } from '../forms.js';
import { curlLine } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

/** What was entered in the form, as far as the form shows it again. */
interface EnteredApiKey {
  name: string;
  permissions: readonly string[];
  importProcessIds: readonly string[];
  expiresOn: string;
}

const trimmedText = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
const textList = (value: unknown): string[] =>
  value === undefined ? [] : [value].flat().filter((each): each is string => typeof each === 'string');

function enteredApiKey(form: unknown): EnteredApiKey {
  const { name, permissions, importProcessIds, expiresOn } = (form ?? {}) as Record<string, unknown>;
  return {
    name: trimmedText(name),
    permissions: textList(permissions),
    importProcessIds: textList(importProcessIds),
    expiresOn: trimmedText(expiresOn),
  };
}

/** Checked by the rules of the API. A key is valid until the end of its last day, in UTC. No file type: all of them. */
function readApiKeyForm(entered: EnteredApiKey): CreateApiKeyDto {
  const { name, permissions, importProcessIds, expiresOn } = entered;
  if (expiresOn !== '' && !isDate(expiresOn)) throw wrongDate();
  return validateForm(CreateApiKeyDto, {
    name,
    permissions,
    // The form shows it as a permission of its own, so what is not ticked is not wanted.
    readOwnImports: permissions.includes('ReadOwnImports'),
    ...(importProcessIds.length > 0 && { importProcessIds: importProcessIds.map(Number) }),
    ...(expiresOn !== '' && { expiresAt: `${expiresOn}T23:59:59Z` }),
  });
}

const isDate = (given: string) =>
  /^\d{4}-\d\d-\d\d$/.test(given) && new Date(given).toJSON()?.slice(0, 10) === given;

function wrongDate(): DomainError {
  const message = text('apiKeys.wrongDate');
  return new DomainError(400, 'invalid_body', text('common.formErrors'), `${message}.`, {
    errors: [{ pointer: '/expiresAt', code: 'invalid_value', message }],
  });
}

/** The keys of programs, and the form that creates one. */
@Injectable()
export class ApiKeysPage {
  constructor(
    private readonly config: AppConfig,
    private readonly creators: CreatorNames,
    private readonly keys: ApiKeysService,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  async render(entered?: EnteredApiKey, errors: FieldErrors = {}): Promise<string> {
    const keys = await this.keys.list();
    const fileTypes = await this.importProcesses.list();
    const creatorOf = await this.creators.of(keys.map(({ createdBy }) => createdBy));
    const fileTypeNames = new Map(fileTypes.map(({ id, name }) => [id, name]));
    return this.pages.render('accounts/api-keys', {
      title: text('apiKeys.title'),
      section: 'api-keys',
      keys: keys.map((key) => keyView(key, creatorOf(key.createdBy), fileTypeNames)),
      permissions: PERMISSIONS.map((value) => ({
        value,
        text: text(`apiKeys.explanations.${value}`),
        checked: entered?.permissions.includes(value) ?? false,
      })),
      fileTypes: fileTypes.map(({ id, name }) => ({
        value: id,
        text: name,
        checked: entered?.importProcessIds.includes(String(id)) ?? false,
      })),
      entered,
      errors,
    });
  }

  create(form: unknown, principal: Principal): Promise<FormAnswer> {
    const entered = enteredApiKey(form);
    return answerForm(
      async () => {
        const created = await this.keys.create(readApiKeyForm(entered), principal);
        return { status: 201, html: this.renderNew(created) };
      },
      (error) => this.render(entered, fieldErrors(error)),
    );
  }

  revoke(id: number, principal: Principal): Promise<FormAnswer> {
    return answerForm(
      async () => {
        await this.keys.revoke(id, principal);
        return '/api-keys';
      },
      (error) => this.render(undefined, fieldErrors(error)),
    );
  }

  /** The only page that shows the key, with a command that uses it. */
  private renderNew({ key, name, permissions, importProcessIds }: CreatedApiKey): string {
    return this.pages.render('accounts/api-key-created', {
      title: text('apiKeys.createdTitle'),
      section: 'api-keys',
      name,
      key,
      curl: curlLine(this.config.publicUrl, key, importProcessIds?.[0] ?? 1, permissions),
    });
  }
}

function keyView(key: ApiKeyResource, createdBy: string, fileTypeNames: ReadonlyMap<number, string>) {
  return {
    ...key,
    createdBy,
    revokePath: `/api-keys/${key.id}/revoke`,
    ended: endOf(key),
    fileTypes:
      key.importProcessIds?.map((id) => fileTypeNames.get(id) ?? text('apiKeys.fileTypeGone', { id })) ??
      null,
  };
}

/** Why the key no longer works; `null` while it does. */
function endOf({ revokedAt, expiresAt }: ApiKeyResource): string | null {
  if (revokedAt !== null) return text('apiKeys.revoked');
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? text('apiKeys.expired') : null;
}
