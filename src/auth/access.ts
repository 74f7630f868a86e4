import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import {
  administratorRequired,
  importProcessNotAllowed,
  permissionDenied,
  personRequired,
} from './auth.errors.js';
import { Authenticator } from './authenticator.js';
import type { Permission, Principal } from './principal.js';

const REQUIRED_PERMISSIONS = 'requiredPermissions';

/** The principal must hold at least one of these permissions. A route that says nothing is refused. */
export const RequirePermission = (...anyOf: Permission[]) => SetMetadata(REQUIRED_PERMISSIONS, anyOf);

const REQUIRED_PERSON = 'requiredPerson';

/**
 * Instead of a permission. `administrator`: an administrator who is signed in, no API key; a key that may configure
 * could else make itself a person who may do everything. `anyone`: whoever is signed in.
 */
export const RequirePerson = (who: 'administrator' | 'anyone') => SetMetadata(REQUIRED_PERSON, who);

const PUBLIC_ROUTE = 'publicRoute';

/** Open to everybody: health, the sign-in page, and nothing that shows records. */
export const PublicRoute = () => SetMetadata(PUBLIC_ROUTE, true);

const BROWSER_PAGE = 'browserPage';

/** A page for people: a visitor without a session is led to the sign-in page. */
export const BrowserPage = () => SetMetadata(BROWSER_PAGE, true);

/** A request that has passed the guard. */
export interface AuthenticatedRequest extends Request {
  principal: Principal;
}

export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal =>
    context.switchToHttp().getRequest<AuthenticatedRequest>().principal,
);

/** @throws DomainError 403 `import_process_not_allowed` when the principal is limited to other import processes */
export function assertMayUse(principal: Pick<Principal, 'importProcessIds'>, importProcessId: number): void {
  const { importProcessIds } = principal;
  if (importProcessIds !== null && !importProcessIds.includes(importProcessId)) {
    throw importProcessNotAllowed(importProcessId);
  }
}

/**
 * Stands before every route. A route that says neither who may use it nor that it is public is refused: a
 * forgotten decorator shows in the first call, not in an incident.
 */
@Injectable()
export class PrincipalGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    const said = <Value>(key: string) => this.reflector.getAllAndOverride<Value | undefined>(key, places);
    if (said<boolean>(PUBLIC_ROUTE) === true) return true;

    const person = said<'administrator' | 'anyone'>(REQUIRED_PERSON);
    const anyOf = said<Permission[]>(REQUIRED_PERMISSIONS) ?? [];
    if (person === undefined && anyOf.length === 0) {
      const route = `${context.getClass().name}.${context.getHandler().name}`;
      throw new Error(`${route} says neither who may use it nor @PublicRoute, so it is closed`);
    }

    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const principal = await this.authenticator.authenticate(request, said<boolean>(BROWSER_PAGE) === true);
    // Also for a refusal: the page that says so names who is signed in, and so does the log.
    request.principal = principal;
    if (person === 'administrator' && !principal.administrator) throw administratorRequired();
    if (person === 'anyone' && principal.user === undefined) throw personRequired();
    if (anyOf.length > 0 && !holdsAny(principal, anyOf)) throw permissionDenied(anyOf);
    return true;
  }
}

const holdsAny = ({ permissions }: Principal, anyOf: readonly Permission[]) =>
  anyOf.some((permission) => permissions.includes(permission));
