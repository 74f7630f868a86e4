import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { ChangeRoleDto } from '../../auth/dto/change-role.dto.js';
import { SetPasswordDto } from '../../auth/dto/set-password.dto.js';
import type { Principal } from '../../auth/principal.js';
import { UsersService } from '../../auth/users/users.service.js';
import { validateForm } from '../../common/http/validate-form.js';
import { PageRenderer } from '../page-renderer.js';
import { answerForm } from './answer-form.js';
import type { FieldErrors } from './field-errors.js';
import { roleOptions } from './role-options.js';

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
