import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { ApiKeyResource, CreatedApiKey } from '../../auth/api-key-resource.js';
import { ApiKeysService } from '../../auth/api-keys.service.js';
import { creatorNames } from '../../auth/creator-names.js';
import { PERMISSIONS, type Permission } from '../../auth/permissions.js';
import type { Principal } from '../../auth/principal.js';
import { AppConfig } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { PageRenderer } from '../page-renderer.js';
import { answerForm } from './answer-form.js';
import { enteredApiKey, readApiKeyForm, type EnteredApiKey } from './api-key-form.js';
import type { FieldErrors } from './field-errors.js';

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
