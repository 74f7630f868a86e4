import { Body, Get, Injectable, Param, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { CookieOptions, Request, Response } from 'express';
import { CurrentPrincipal, RequirePerson } from '../../auth/access.js';
import {
  ApiKeyIdPipe,
  type ApiKeyResource,
  ApiKeysService,
  CreateApiKeyDto,
} from '../../auth/api-keys.service.js';
import { CreatorNames } from '../../auth/authenticator.js';
import { PERMISSIONS, type Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { AppConfig } from '../../platform/config/config.js';
import type { DomainError } from '../../platform/errors.js';
import { httpErrors } from '../../platform/http/http.errors.js';
import { validateForm } from '../../platform/http/validation.js';
import {
  answerForm,
  fieldErrors,
  type FieldErrors,
  FileTypeLimits,
  type FormAnswer,
  limitOf,
  sendFormAnswer,
  tickedFileTypes,
} from '../forms.js';
import { curlLine } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { ConfirmSignIn } from './login.page.js';

const LIST = '/api-keys';
const CREATED_PATH = `${LIST}/created`;

const NEW_KEY_COOKIE = 'wiq_new_key';
/** A browser follows a redirect at once; the key must not stay longer than that takes. */
const NEW_KEY_MS = 60_000;
const NEW_KEY = /(?:^|;\s*)wiq_new_key=(\d+)\.(wiq_[\w-]{43})(?:;|$)/;

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
  const { name, permissions, expiresOn } = (form ?? {}) as Record<string, unknown>;
  return {
    name: trimmedText(name),
    permissions: textList(permissions),
    importProcessIds: tickedFileTypes(form),
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
    importProcessIds: limitOf(importProcessIds),
    ...(expiresOn !== '' && { expiresAt: `${expiresOn}T23:59:59Z` }),
  });
}

const isDate = (given: string) =>
  /^\d{4}-\d\d-\d\d$/.test(given) && new Date(given).toJSON()?.slice(0, 10) === given;

function wrongDate(): DomainError {
  const message = text('apiKeys.wrongDate');
  return httpErrors.invalid_body(`${message}.`, {
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
    private readonly limits: FileTypeLimits,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  async render(entered?: EnteredApiKey, errors: FieldErrors = {}): Promise<string> {
    const keys = await this.keys.list();
    const creatorOf = await this.creators.of(keys.map(({ createdBy }) => createdBy));
    const fileTypesOf = await this.limits.namer();
    return this.pages.render('accounts/api-keys', {
      title: text('apiKeys.title'),
      section: 'api-keys',
      keys: keys.map((key) => ({
        ...keyView(key, creatorOf(key.createdBy)),
        fileTypes: fileTypesOf(key.importProcessIds),
      })),
      permissions: PERMISSIONS.map((value) => ({
        value,
        text: text(`apiKeys.explanations.${value}`),
        checked: entered?.permissions.includes(value) ?? false,
      })),
      fileTypes: await this.limits.options(entered?.importProcessIds ?? []),
      entered,
      errors,
    });
  }

  /** Leads to the page of the new key. A cookie takes the key there, so that a reload creates no second one. */
  create(form: unknown, principal: Principal, response: Response): Promise<FormAnswer> {
    const entered = enteredApiKey(form);
    return answerForm(
      async () => {
        const { id, key } = await this.keys.create(readApiKeyForm(entered), principal);
        response.cookie(NEW_KEY_COOKIE, `${id}.${key}`, { ...this.cookieOptions(), maxAge: NEW_KEY_MS });
        return CREATED_PATH;
      },
      (error) => this.render(entered, fieldErrors(error)),
    );
  }

  revoke(id: number, principal: Principal): Promise<FormAnswer> {
    return answerForm(
      async () => {
        await this.keys.revoke(id, principal);
        return LIST;
      },
      (error) => this.render(undefined, fieldErrors(error)),
    );
  }

  /** The only page that shows a key, once, with a command that uses it; afterwards it leads to the list. */
  async created(request: Request, response: Response): Promise<FormAnswer> {
    const [, id, key = ''] = NEW_KEY.exec(request.headers.cookie ?? '') ?? [];
    const created = (await this.keys.list()).find((each) => each.id === Number(id));
    if (created === undefined || !key.startsWith(created.hint)) return { path: LIST };
    response.clearCookie(NEW_KEY_COOKIE, this.cookieOptions());
    const [fileType] = await this.importProcesses.list();
    const { name, permissions, importProcessIds } = created;
    const importProcessId = importProcessIds?.[0] ?? fileType?.id ?? 1;
    const html = this.pages.render('accounts/api-key-created', {
      title: text('apiKeys.createdTitle'),
      section: 'api-keys',
      name,
      key,
      curl: curlLine(this.config.publicUrl, key, importProcessId, permissions),
    });
    return { status: 200, html };
  }

  private cookieOptions(): CookieOptions {
    const secure = this.config.publicUrl.startsWith('https:');
    return { httpOnly: true, sameSite: 'strict', secure, path: CREATED_PATH };
  }
}

function keyView(key: ApiKeyResource, createdBy: string) {
  return {
    ...key,
    createdBy,
    revokeId: `revoke-${key.id}`,
    revokePath: `${LIST}/${key.id}/revoke`,
    ended: endOf(key),
  };
}

/** Why the key no longer works; `null` while it does. */
function endOf({ revokedAt, expiresAt }: ApiKeyResource): string | null {
  if (revokedAt !== null) return text('apiKeys.revoked');
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? text('apiKeys.expired') : null;
}

@PageController('api-keys')
@RequirePerson('administrator')
@UseInterceptors(ConfirmSignIn)
export class ApiKeysPagesController {
  constructor(private readonly keys: ApiKeysPage) {}

  @Get()
  @HtmlPage()
  list(): Promise<string> {
    return this.keys.render();
  }

  @Post()
  async create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.keys.create(form, principal, response));
  }

  @Get('created')
  async created(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.keys.created(request, response));
  }

  @Post(':id/revoke')
  async revoke(
    @Param('id', ApiKeyIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.keys.revoke(id, principal));
  }
}
