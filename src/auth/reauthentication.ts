import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { RefusalLog } from './access.js';
import { writeAudit } from './audit.js';
import { confirmationRequired, personRequired, unusablePassword } from './auth.errors.js';
import { IdentityProvider, type PendingSignIn } from './identity-provider.js';
import { oidcNotConfigured, oidcSignInFailed } from './oidc.errors.js';
import type { Principal, SignedInUser } from './principal.js';
import { confirmIdentity, confirmSession } from './sessions.service.js';
import { SignIn } from './sign-in.js';

/**
 * Before users, roles and keys change, the user proves again who is at the browser: an unlocked screen must not be
 * enough to create an administrator or a key that stays.
 */
@Injectable()
export class Reauthentication {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly provider: IdentityProvider,
    private readonly signIns: SignIn,
    private readonly refusals: RefusalLog,
  ) {}

  /** The last sign-in or confirmation is too old. API keys have no sign-in. */
  isDue({ user }: Principal): boolean {
    const { confirmSignInMinutes: minutes } = this.config;
    return user !== undefined && minutes > 0 && user.confirmedSecondsAgo >= minutes * 60;
  }

  /** For routes of the API, which cannot ask. @throws DomainError 403 `confirmation_required` */
  assertRecent(principal: Principal): void {
    if (this.isDue(principal)) throw confirmationRequired(this.config.confirmSignInMinutes);
  }

  /**
   * Confirms the session by the password of its user, throttled as at the sign-in.
   * @throws DomainError 400 `unusable_password` at `confirmPassword`, 429 `too_many_failed_sign_ins`
   */
  async confirm(principal: Principal, password: string, request: Request): Promise<void> {
    const { id, sessionHash } = signedIn(principal);
    if (!(await this.signIns.isPasswordOf(principal.name, password, request))) {
      await this.noteFailure(id, request);
      throw unusablePassword('confirmPassword', 'this is not your password');
    }
    await confirmSession(this.database, sessionHash);
    await this.noteSuccess(id);
  }

  /**
   * Confirms the session by a new sign-in with the identity provider, as the same person.
   * @throws DomainError 401 `oidc_sign_in_failed`, 503 `oidc_unavailable`
   */
  async confirmAtProvider(
    query: string,
    pending: PendingSignIn,
    principal: Principal,
    request: Request,
  ): Promise<void> {
    const { id, sessionHash } = signedIn(principal);
    const { oidc } = this.config;
    if (oidc === undefined) throw oidcNotConfigured();
    const identity = await this.provider.complete(query, pending);
    if (!(await confirmIdentity(this.database, sessionHash, identity))) {
      await this.noteFailure(id, request);
      throw oidcSignInFailed(oidc.name, new Error('another person has signed in'));
    }
    await this.noteSuccess(id);
  }

  private noteSuccess(id: number): Promise<void> {
    return writeAudit(this.database, { actor: `user:${id}`, action: 'sign_in_confirmed' });
  }

  private noteFailure(id: number, request: Request): Promise<void> {
    return this.refusals.note(request, { actor: `user:${id}`, action: 'confirmation_failed' }, '');
  }
}

function signedIn({ user }: Principal): SignedInUser {
  if (user === undefined) throw personRequired();
  return user;
}
