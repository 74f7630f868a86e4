import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { personRequired } from './auth.errors.js';
import type { ChangePasswordDto } from './dto/change-password.dto.js';
import type { Principal } from './principal.js';
import { SignIn } from './sign-in.js';
import { unusablePassword } from './users/user.errors.js';
import { UsersService } from './users/users.service.js';

/** What people do with their own account. */
@Injectable()
export class AccountService {
  constructor(
    private readonly people: SignIn,
    private readonly users: UsersService,
  ) {}

  /**
   * The other sessions of the person end. The current password is asked for, and throttled as at the sign-in: a
   * browser left open must not be enough to take an account over.
   * @throws DomainError 400 `unusable_password` at its field, 429 `too_many_failed_sign_ins`
   */
  async changePassword(dto: ChangePasswordDto, principal: Principal, request: Request): Promise<void> {
    const { currentPassword, newPassword, repeatedPassword } = dto;
    if (newPassword !== repeatedPassword) {
      throw unusablePassword('repeatedPassword', 'this differs from the new password');
    }
    if (!(await this.people.isPasswordOf(principal.name, currentPassword, request))) {
      throw unusablePassword('currentPassword', 'this is not your password');
    }
    await this.users.setPassword(userId(principal), newPassword, principal, 'newPassword');
  }

  /** In this browser too. */
  async signOutEverywhere(principal: Principal): Promise<void> {
    await this.users.signOutEverywhere(userId(principal), principal);
  }
}

function userId({ user }: Principal): number {
  if (user === undefined) throw personRequired();
  return user.id;
}
