import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { type ApiKeyResource, CreateApiKeyDto, type CreatedApiKey } from '../../auth/api-keys.dto.js';
import { ApiKeysService } from '../../auth/api-keys.service.js';
import { creatorNames } from '../../auth/creator-names.js';
import { type Permission, PERMISSIONS, type Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, type FieldErrors } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';

/** What the form was sent with, as far as it is shown again. */
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

/** By the rules of the API; a key works to the end of its last day, in UTC. No file type ticked: all of them. */
function readApiKeyForm(entered: EnteredApiKey): CreateApiKeyDto {
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

const EXPLANATIONS: Readonly<Record<Permission, string>> = {
  BeginWorkflowImportProcess: 'start imports',
  ViewImports: 'see imports and their records',
  ManageImports: 'cancel, pause, resume, retry and confirm imports',
  Configure: 'change file types, workflows and API keys',
};

/** The keys of programs, and the form that makes one. */
@Injectable()
export class ApiKeysPage {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly keys: ApiKeysService,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  async render(entered?: EnteredApiKey, errors: FieldErrors = {}): Promise<string> {
    const keys = await this.keys.list();
    const fileTypes = await this.importProcesses.list();
    const creatorOf = await creatorNames(
      this.database,
      keys.map(({ createdBy }) => createdBy),
    );
    const fileTypeNames = new Map(fileTypes.map(({ id, name }) => [id, name]));
    return this.pages.render('accounts/api-keys', {
      title: 'API keys',
      section: 'api-keys',
      keys: keys.map((key) => keyView(key, creatorOf(key.createdBy), fileTypeNames)),
      permissions: PERMISSIONS.map((value) => ({
        value,
        text: EXPLANATIONS[value],
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

  create(form: unknown, principal: Principal, response: Response): Promise<void> {
    const entered = enteredApiKey(form);
    return answerForm(
      response,
      async () => ({
        createdPage: this.renderNew(await this.keys.create(readApiKeyForm(entered), principal)),
      }),
      (errors) => this.render(entered, errors),
    );
  }

  revoke(id: number, principal: Principal, response: Response): Promise<void> {
    return answerForm(
      response,
      async () => {
        await this.keys.revoke(id, principal);
        return '/api-keys';
      },
      (errors) => this.render(undefined, errors),
    );
  }

  /** The only time the key is shown, with what to type to use it. */
  private renderNew({ key, name, permissions, importProcessIds }: CreatedApiKey): string {
    return this.pages.render('accounts/api-key-created', {
      title: 'The new API key',
      section: 'api-keys',
      name,
      key,
      curl: curlLine(this.config.publicUrl, key, permissions, importProcessIds?.[0] ?? 1),
    });
  }
}

function keyView(key: ApiKeyResource, createdBy: string, fileTypeNames: ReadonlyMap<number, string>) {
  const expired = key.expiresAt !== null && Date.parse(key.expiresAt) <= Date.now();
  return {
    ...key,
    createdBy,
    revokePath: `/api-keys/${key.id}/revoke`,
    works: key.revokedAt === null && !expired,
    expired,
    fileTypes: key.importProcessIds?.map((id) => fileTypeNames.get(id) ?? `no. ${id}, which is gone`) ?? null,
  };
}

function curlLine(url: string, key: string, permissions: readonly string[], importProcessId: number): string {
  const authorization = `-H 'Authorization: apikey ${key}'`;
  if (!permissions.includes('BeginWorkflowImportProcess')) {
    const path = permissions.includes('Configure') ? 'ImportProcesses' : 'Batches';
    return `curl ${authorization} '${url}/API/WorkflowImportQueue/${path}'`;
  }
  const query = `fileName=members.jsonl&importProcessId=${importProcessId}`;
  return `curl ${authorization} --data-binary @members.jsonl '${url}/API/WorkflowImportQueue/CreateBatch?${query}'`;
}
