import { Injectable, Logger } from '@nestjs/common';
import { isEmail } from 'class-validator';
import * as oidc from 'openid-client';
import { PromiseCache } from '../platform/concurrency.js';
import { AppConfig, type GroupRole, type OidcConfig } from '../platform/config/config.js';
import { errorMessage } from '../platform/errors.js';
import { oidcNotConfigured, oidcSignInFailed, oidcUnavailable } from './auth.errors.js';
import { USER_ROLES, type UserRole } from './principal.js';

export const OIDC_PATH = '/login/oidc';
const CALLBACK_PATH = `${OIDC_PATH}/callback`;

const ANSWER_SECONDS = 10;
/** How long the description of the provider is kept. Keys are read again whenever a token names an unknown one. */
const DISCOVERY_MS = 3600_000;

/** What the browser keeps from the begin of a sign-in to its end. */
export interface PendingSignIn {
  state: string;
  nonce: string;
  /** The secret of PKCE: a stolen code is worth nothing without it. */
  verifier: string;
  /** The path to open afterwards. */
  next: string;
  /** The user is signed in already and confirms it: the provider must ask, too. */
  confirms: boolean;
}

/** How long ago the provider may have asked for the password when it confirms a sign-in, in seconds. */
const CONFIRMED_WITHIN = 60;

/**
 * The identity provider, found by discovery: authorization code with PKCE, state and nonce; the signature of the ID
 * token is checked although it arrives directly.
 * Why: ADR 29.
 */
@Injectable()
export class IdentityProvider {
  private readonly logger = new Logger(IdentityProvider.name);
  private readonly discovered = new PromiseCache<oidc.Configuration>(1);

  constructor(private readonly config: AppConfig) {}

  /** Where the browser goes to sign in. @throws DomainError 404 `oidc_not_configured`, 503 `oidc_unavailable` */
  async begin(next: string, confirms = false): Promise<{ url: string; pending: PendingSignIn }> {
    const provider = await this.discover();
    const pending = {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      verifier: oidc.randomPKCECodeVerifier(),
      next,
      confirms,
    };
    const url = oidc.buildAuthorizationUrl(provider, {
      redirect_uri: this.config.publicUrl + CALLBACK_PATH,
      scope: this.settings.scopes,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      ...(confirms && { prompt: 'login', max_age: '0' }),
    });
    return { url: url.href, pending };
  }

  /**
   * Exchanges the code for the identity.
   * @param query of the URL that the provider sent the browser to, with the question mark
   * @throws DomainError 401 `oidc_sign_in_failed`, 503 `oidc_unavailable`
   */
  async complete(query: string, pending: PendingSignIn): Promise<Identity> {
    const { state, nonce, verifier, confirms } = pending;
    const provider = await this.discover();
    const { issuer, groupsClaim, name } = this.settings;
    try {
      const tokens = await oidc.authorizationCodeGrant(
        provider,
        new URL(this.config.publicUrl + CALLBACK_PATH + query),
        {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
          // The user could have removed the request to ask again from the address.
          ...(confirms && { maxAge: CONFIRMED_WITHIN }),
        },
      );
      const claims = tokens.claims();
      if (claims === undefined) throw new Error('the provider sent no ID token');
      const { sub } = claims;
      const identity = identityOf(claims, issuer, sub, groupsClaim);
      if (identity.email !== null && identity.groups.length > 0) return identity;
      const more = await userInfo(provider, tokens.access_token, sub);
      return identityOf({ ...claims, ...more }, issuer, sub, groupsClaim);
    } catch (error) {
      this.logger.warn(`A sign-in with the identity provider failed: ${reasonOf(error)}`);
      throw isUnreachable(error) ? oidcUnavailable(name, error) : oidcSignInFailed(name, error);
    }
  }

  /** Where the browser goes to sign out of the provider, which leads back; the sign-in page if it has no such page. */
  async signOutUrl(): Promise<string> {
    const provider = await this.discover();
    const back = `${this.config.publicUrl}/login`;
    if (provider.serverMetadata().end_session_endpoint === undefined) return back;
    return oidc.buildEndSessionUrl(provider, { post_logout_redirect_uri: back }).href;
  }

  private get settings(): OidcConfig {
    if (this.config.oidc === undefined) throw oidcNotConfigured();
    return this.config.oidc;
  }

  private async discover(): Promise<oidc.Configuration> {
    const { issuer, clientId, clientSecret, name } = this.settings;
    const discovery = async () => {
      const insecure = issuer.startsWith('http:');
      const provider = await oidc.discovery(
        new URL(issuer),
        clientId,
        undefined,
        authenticationWith(clientSecret),
        { timeout: ANSWER_SECONDS, ...(insecure && { execute: [oidc.allowInsecureRequests] }) },
      );
      oidc.enableNonRepudiationChecks(provider);
      return provider;
    };
    try {
      return await this.discovered.get(String(Math.floor(Date.now() / DISCOVERY_MS)), discovery);
    } catch (error) {
      this.logger.warn(`The identity provider could not be discovered: ${reasonOf(error)}`);
      throw oidcUnavailable(name, error);
    }
  }
}

/** In the header, as is the default of the standard, unless the provider supports only the body. */
function authenticationWith(secret: string): oidc.ClientAuth {
  const [inHeader, inBody] = [oidc.ClientSecretBasic(secret), oidc.ClientSecretPost(secret)];
  return (server, ...rest) => {
    const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (supported.includes('client_secret_basic') ? inHeader : inBody)(server, ...rest);
  };
}

async function userInfo(provider: oidc.Configuration, accessToken: string, subject: string): Promise<Claims> {
  if (provider.serverMetadata().userinfo_endpoint === undefined) return {};
  return { ...(await oidc.fetchUserInfo(provider, accessToken, subject)) };
}

/** Without the values of tokens, which the causes of some errors contain. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return cause instanceof Error ? `${errorMessage(error)}: ${cause.message}` : errorMessage(error);
}

/** No answer came: what `fetch` throws, which the package passes on or wraps. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Object)) return false;
  const { message, code, cause } = error as { message?: unknown; code?: unknown; cause?: unknown };
  return message === 'fetch failed' || code === 'OAUTH_TIMEOUT' || isUnreachable(cause);
}

/** Who has signed in, as the identity provider states it. */
export interface Identity {
  issuer: string;
  /** Never changes and is never given to another person, unlike the address. */
  subject: string;
  /** In lower case. Some providers have the address only in the name for the sign-in. */
  email: string | null;
  /** The provider states that the address belongs to the person. */
  emailIsVerified: boolean;
  groups: readonly string[];
}

type Claims = Readonly<Record<string, unknown>>;

/** Reads the claims of an ID token, or of the userinfo endpoint, that passed every check. */
export function identityOf(claims: Claims, issuer: string, subject: string, groupsClaim: string): Identity {
  const address = addressIn(claims.email);
  return {
    issuer,
    subject,
    email: address ?? addressIn(claims.preferred_username),
    // The statement is about the claim `email` only. At many providers people choose `preferred_username` themselves.
    emailIsVerified: address !== null && claims.email_verified === true,
    groups: textsOf(claimAt(claims, groupsClaim)),
  };
}

/** In lower case; `null` if the claim is not an address. */
function addressIn(claim: unknown): string | null {
  return typeof claim === 'string' && isEmail(claim, { require_tld: false }) ? claim.toLowerCase() : null;
}

/** A claim by its name, which may contain dots, or by its path: `realm_access.roles`. */
function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

const textsOf = (value: unknown): string[] =>
  [value].flat().filter((each): each is string => typeof each === 'string');

/** The role that may do most of those that the groups give; `null` if they give none. */
export function roleOf(groups: readonly string[], rules: readonly GroupRole[]): UserRole | null {
  const given = new Set(rules.filter(({ group }) => groups.includes(group)).map(({ role }) => role));
  return USER_ROLES.find((role) => given.has(role)) ?? null;
}
