import { Body, Get, Injectable, Param, Post, Res, UseInterceptors } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePerson } from '../../auth/access.js';
import { AccountLinks } from '../../auth/account-links.js';
import { type Principal, USER_ROLES } from '../../auth/principal.js';
import { ChangeAccessDto, CreateUserDto, SetPasswordDto, UserIdPipe } from '../../auth/users.dto.js';
import { UsersService } from '../../auth/users.service.js';
import { AppConfig } from '../../platform/config/config.js';
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
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import type { StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { ConfirmSignIn } from './login.page.js';

/** The roles to choose from, each with an explanation of what it allows. */
function roleOptions(chosen: unknown) {
  return USER_ROLES.map((value) => ({
    value,
    explanation: text(`users.roles.${value}`),
    selected: value === chosen,
  }));
}

function userLabel({ enabled, isInvited }: { enabled: boolean; isInvited: boolean }): StatusLabel {
  if (enabled && isInvited) return { text: text('users.invited'), tone: 'quiet' };
  return enabled
    ? { text: text('users.enabled'), tone: 'good' }
    : { text: text('users.disabled'), tone: 'quiet' };
}

/**
 * The fields of a form as the rules of users take them. A form that shows no file types, because there are none or
 * because it was opened before there were, leaves the limit as it is.
 */
function accessFields(form: unknown): Record<string, unknown> {
  const { limitShown, ...fields } = { ...(form as Record<string, unknown> | undefined) };
  return limitShown === undefined ? fields : { ...fields, importProcessIds: limitOf(tickedFileTypes(form)) };
}

/** The users, and the form that adds one. */
@Injectable()
export class UsersPage {
  constructor(
    private readonly users: UsersService,
    private readonly links: AccountLinks,
    private readonly limits: FileTypeLimits,
    private readonly pages: PageRenderer,
  ) {}

  async render(entered: { email?: unknown; role?: unknown } = {}, errors: FieldErrors = {}): Promise<string> {
    const users = await this.users.list();
    const fileTypesOf = await this.limits.namer();
    return this.pages.render('accounts/users', {
      title: text('users.title'),
      section: 'users',
      users: users.map((user) => ({
        ...user,
        path: `/users/${user.id}`,
        fileTypes: fileTypesOf(user.importProcessIds),
        label: userLabel(user),
        lastSignedInAt: user.lastSignedInAt?.toISOString() ?? null,
      })),
      email: entered.email,
      canInvite: this.links.available,
      roles: roleOptions(entered.role ?? 'viewer'),
      fileTypes: await this.limits.options(tickedFileTypes(entered)),
      errors,
    });
  }

  create(form: unknown, principal: Principal): Promise<FormAnswer> {
    return answerForm(
      async () => {
        await this.users.create(validateForm(CreateUserDto, accessFields(form)), principal);
        return '/users';
      },
      (error) => this.render(form ?? {}, fieldErrors(error)),
    );
  }
}

/** One user: role, password, and whether the user is enabled. */
@Injectable()
export class UserPage {
  constructor(
    private readonly config: AppConfig,
    private readonly users: UsersService,
    private readonly links: AccountLinks,
    private readonly limits: FileTypeLimits,
    private readonly pages: PageRenderer,
  ) {}

  /** @param entered the role and the file types of a form that was refused */
  async render(
    id: number,
    errors: FieldErrors = {},
    entered?: { role: unknown; fileTypes: readonly string[] },
  ): Promise<string> {
    const user = await this.users.get(id);
    return this.pages.render('accounts/user', {
      title: user.email,
      section: 'users',
      user: {
        ...user,
        path: `/users/${id}`,
        createdAt: user.createdAt.toISOString(),
        lastSignedInAt: user.lastSignedInAt?.toISOString() ?? null,
      },
      provider: user.hasIdentity ? this.config.oidc?.name : undefined,
      label: userLabel(user),
      invitePath: user.isInvited && this.links.available ? `/users/${id}/invite` : undefined,
      disablePath: `/users/${id}/disable`,
      roles: roleOptions(entered?.role ?? user.role),
      fileTypes: await this.limits.options(entered?.fileTypes ?? (user.importProcessIds ?? []).map(String)),
      errors,
    });
  }

  changeAccess(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    const { role } = (form ?? {}) as { role?: unknown };
    return this.act(
      id,
      () => this.users.changeAccess(id, validateForm(ChangeAccessDto, accessFields(form)), principal),
      { role, fileTypes: tickedFileTypes(form) },
    );
  }

  setPassword(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () =>
      this.users.setPassword(id, validateForm(SetPasswordDto, form).password, principal),
    );
  }

  disable(id: number, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.users.disable(id, principal));
  }

  invite(id: number, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.links.invite(id, principal));
  }

  enable(id: number, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.users.enable(id, principal));
  }

  signOut(id: number, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.users.signOutEverywhere(id, principal));
  }

  private act(
    id: number,
    action: () => Promise<void>,
    entered?: { role: unknown; fileTypes: readonly string[] },
  ): Promise<FormAnswer> {
    return answerForm(
      async () => {
        // An unknown user is 404, not a form with an error.
        await this.users.get(id);
        await action();
        return `/users/${id}`;
      },
      (error) => this.render(id, fieldErrors(error), entered),
    );
  }
}

@PageController('users')
@RequirePerson('administrator')
@UseInterceptors(ConfirmSignIn)
export class UsersPagesController {
  constructor(
    private readonly users: UsersPage,
    private readonly user: UserPage,
  ) {}

  @Get()
  @HtmlPage()
  list(): Promise<string> {
    return this.users.render();
  }

  @Post()
  async create(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.users.create(form, principal));
  }

  @Get(':id')
  @HtmlPage()
  show(@Param('id', UserIdPipe) id: number): Promise<string> {
    return this.user.render(id);
  }

  @Post(':id/role')
  async changeAccess(
    @Param('id', UserIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.changeAccess(id, form, principal));
  }

  @Post(':id/password')
  async setPassword(
    @Param('id', UserIdPipe) id: number,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.setPassword(id, form, principal));
  }

  @Post(':id/disable')
  async disable(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.disable(id, principal));
  }

  @Post(':id/invite')
  async invite(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.invite(id, principal));
  }

  @Post(':id/enable')
  async enable(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.enable(id, principal));
  }

  @Post(':id/sign-out')
  async signOut(
    @Param('id', UserIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.user.signOut(id, principal));
  }
}
