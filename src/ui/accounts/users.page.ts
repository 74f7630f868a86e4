import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { type Principal, USER_ROLES, type UserRole } from '../../auth/principal.js';
import { ChangeRoleDto, CreateUserDto, SetPasswordDto } from '../../auth/users.dto.js';
import { UsersService } from '../../auth/users.service.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, type FieldErrors } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';

const EXPLANATIONS: Readonly<Record<UserRole, string>> = {
  administrator: 'everything, configuration and users too',
  operator: 'starts imports, sees and manages them',
  viewer: 'sees imports',
};

/** The roles to choose from, each with what it may do. */
function roleOptions(chosen: unknown) {
  return USER_ROLES.map((value) => ({
    value,
    explanation: EXPLANATIONS[value],
    selected: value === chosen,
  }));
}

/** Who may sign in, and the form that adds somebody. */
@Injectable()
export class UsersPage {
  constructor(
    private readonly users: UsersService,
    private readonly pages: PageRenderer,
  ) {}

  async render(entered: { email?: unknown; role?: unknown } = {}, errors: FieldErrors = {}): Promise<string> {
    const users = await this.users.list();
    return this.pages.render('accounts/users', {
      title: 'Users',
      section: 'users',
      users: users.map((user) => ({
        ...user,
        path: `/users/${user.id}`,
        lastSignedInAt: user.lastSignedInAt?.toISOString() ?? null,
      })),
      email: entered.email,
      roles: roleOptions(entered.role ?? 'viewer'),
      errors,
    });
  }

  create(form: unknown, principal: Principal, response: Response): Promise<void> {
    return answerForm(
      response,
      async () => {
        await this.users.create(validateForm(CreateUserDto, form), principal);
        return '/users';
      },
      (errors) => this.render(form ?? {}, errors),
    );
  }
}

/** One user: role, password, enabled or not. */
@Injectable()
export class UserPage {
  constructor(
    private readonly users: UsersService,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, errors: FieldErrors = {}): Promise<string> {
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
      roles: roleOptions(user.role),
      errors,
    });
  }

  changeRole(id: number, form: unknown, principal: Principal, response: Response): Promise<void> {
    return this.act(id, response, () =>
      this.users.changeRole(id, validateForm(ChangeRoleDto, form).role, principal),
    );
  }

  setPassword(id: number, form: unknown, principal: Principal, response: Response): Promise<void> {
    return this.act(id, response, () =>
      this.users.setPassword(id, validateForm(SetPasswordDto, form).password, principal),
    );
  }

  disable(id: number, principal: Principal, response: Response): Promise<void> {
    return this.act(id, response, () => this.users.disable(id, principal));
  }

  enable(id: number, principal: Principal, response: Response): Promise<void> {
    return this.act(id, response, () => this.users.enable(id, principal));
  }

  signOut(id: number, principal: Principal, response: Response): Promise<void> {
    return this.act(id, response, () => this.users.signOutEverywhere(id, principal));
  }

  private act(id: number, response: Response, action: () => Promise<void>): Promise<void> {
    return answerForm(
      response,
      async () => {
        // Nobody there is 404, not a form with something wrong in it.
        await this.users.get(id);
        await action();
        return `/users/${id}`;
      },
      (errors) => this.render(id, errors),
    );
  }
}
