import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../config/config.js';
import { AdministratorSignIn } from './administrator-sign-in.js';
import { ApiKeyAuthentication } from './api-key-authentication.js';
import { authenticationRequired, crossSiteRequest, invalidApiKey, invalidSignIn } from './auth.errors.js';
import { parseAuthorization } from './authorization-header.js';
import type { Principal } from './principal.js';
import { isCrossSiteWrite } from './same-origin.js';

/** Who is asking: programs send an API key, a browser signs the administrator in by HTTP Basic. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly config: AppConfig,
    private readonly keys: ApiKeyAuthentication,
    private readonly administrator: AdministratorSignIn,
  ) {}

  /**
   * @param page the answer to a refusal is shown to a person: the browser shall ask for e-mail and password. On API
   *   routes it must not, since a script's failed call would open a sign-in window.
   * @throws DomainError 401 without valid credentials, 403 `cross_site_request`, 429 after many failed sign-ins
   */
  async authenticate(request: Request, page: boolean): Promise<Principal> {
    const challenge = this.challenge(page);
    const credentials = parseAuthorization(request.headers.authorization);
    switch (credentials.scheme) {
      case 'none':
      case 'unusable':
        throw authenticationRequired(challenge);
      case 'apikey': {
        const principal = await this.keys.principalOf(credentials.key);
        if (principal === null) throw invalidApiKey(challenge);
        return principal;
      }
      case 'basic': {
        const { user, password } = credentials;
        const principal = this.administrator.signIn(user, password, request.ip ?? '');
        if (principal === null) throw invalidSignIn(challenge);
        if (isCrossSiteWrite(request.method, request.headers, this.config.publicUrl))
          throw crossSiteRequest();
        return principal;
      }
    }
  }

  private challenge(page: boolean): string {
    return page && this.administrator.possible
      ? 'Basic realm="Workflow Import Queue", charset="UTF-8"'
      : 'apikey';
  }
}
