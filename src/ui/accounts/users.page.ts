import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { CreateUserDto } from '../../auth/dto/create-user.dto.js';
import type { Principal } from '../../auth/principal.js';
import { UsersService } from '../../auth/users/users.service.js';
import { validateForm } from '../../common/http/validate-form.js';
import { PageRenderer } from '../page-renderer.js';
import { answerForm } from './answer-form.js';
import type { FieldErrors } from './field-errors.js';
import { roleOptions } from './role-options.js';

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
