import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { tooManyFailedSignIns } from './auth.errors.js';
import { PERMISSIONS } from './permissions.js';
import type { Principal } from './principal.js';
import { SignInThrottle } from './sign-in-throttle.js';

/** Signs in the administrator of BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD. */
@Injectable()
export class AdministratorSignIn {
  private readonly throttle = new SignInThrottle();

  constructor(private readonly config: AppConfig) {}

  /** Nobody can sign in where no administrator is configured. */
  get possible(): boolean {
    return this.config.bootstrapAdminEmail !== undefined;
  }

  /**
   * `null` when e-mail or password is wrong.
   * @throws DomainError 429 after too many failures from the address, even for the right password: else the
   * throttle would only slow down the guesses that do not matter
   */
  signIn(email: string, password: string, address: string): Principal | null {
    const wait = this.throttle.secondsToWait(address);
    if (wait > 0) throw tooManyFailedSignIns(wait);
    const administrator = this.verify(email, password);
    if (administrator === null) this.throttle.failed(address);
    else this.throttle.succeeded(address);
    return administrator;
  }

  private verify(email: string, password: string): Principal | null {
    const { bootstrapAdminEmail, bootstrapAdminPassword } = this.config;
    if (bootstrapAdminEmail === undefined || bootstrapAdminPassword === undefined) return null;
    // Both are always compared, so that the time does not tell which one was wrong.
    const rightEmail = sameText(email.toLowerCase(), bootstrapAdminEmail.toLowerCase());
    const rightPassword = sameText(password, bootstrapAdminPassword);
    if (!rightEmail || !rightPassword) return null;
    return {
      id: `administrator:${bootstrapAdminEmail.toLowerCase()}`,
      name: bootstrapAdminEmail,
      permissions: PERMISSIONS,
      importProcessIds: null,
      administrator: true,
    };
  }
}

/** In constant time; digests have one length, so that a difference in length does not show either. */
function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
