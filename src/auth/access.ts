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

/** The principal needs at least one of these permissions. A route without any declaration is refused. */
export const RequirePermission = (...anyOf: Permission[]) => SetMetadata(REQUIRED_PERMISSIONS, anyOf);

const REQUIRED_PERSON = 'requiredPerson';

/**
 * Replaces a permission. `administrator`: a signed-in administrator, never an API key; otherwise a key that may
 * configure could create a user who may do everything. `anyone`: any signed-in user.
 */
export const RequirePerson = (who: 'administrator' | 'anyone') => SetMetadata(REQUIRED_PERSON, who);

const PUBLIC_ROUTE = 'publicRoute';

/** Needs no credentials: health, the sign-in page, and nothing that shows records. */
export const PublicRoute = () => SetMetadata(PUBLIC_ROUTE, true);

const BROWSER_PAGE = 'browserPage';

/** An HTML page: a visitor without a session is sent to the sign-in page. */
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
 * Runs before every route. A route that declares neither its users nor that it is public is refused: a forgotten
 * decorator shows in the first call, not in an incident.
 */
@Injectable()
export class PrincipalGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const declaredOn = [context.getHandler(), context.getClass()];
    const declared = <Value>(key: string) =>
      this.reflector.getAllAndOverride<Value | undefined>(key, declaredOn);
    if (declared<boolean>(PUBLIC_ROUTE) === true) return true;

    const person = declared<'administrator' | 'anyone'>(REQUIRED_PERSON);
    const anyOf = declared<Permission[]>(REQUIRED_PERMISSIONS) ?? [];
    if (person === undefined && anyOf.length === 0) {
      const route = `${context.getClass().name}.${context.getHandler().name}`;
      throw new Error(`${route} declares neither its users nor @PublicRoute, so it is closed`);
    }

    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const principal = await this.authenticator.authenticate(
      request,
      declared<boolean>(BROWSER_PAGE) === true,
    );
    // Set before any refusal, because the error page and the log name the principal.
    request.principal = principal;
    if (person === 'administrator' && !principal.administrator) throw administratorRequired();
    if (person === 'anyone' && principal.user === undefined) throw personRequired();
    if (anyOf.length > 0 && !holdsAny(principal, anyOf)) throw permissionDenied(anyOf);
    return true;
  }
}

const holdsAny = ({ permissions }: Principal, anyOf: readonly Permission[]) =>
  anyOf.some((permission) => permissions.includes(permission));
