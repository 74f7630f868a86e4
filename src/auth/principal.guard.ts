import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { administratorRequired, permissionDenied, personRequired } from './auth.errors.js';
import { Authenticator } from './authenticator.js';
import type { AuthenticatedRequest } from './current-principal.decorator.js';
import type { Permission } from './permissions.js';
import type { Principal } from './principal.js';
import {
  BROWSER_PAGE,
  PUBLIC_ROUTE,
  REQUIRED_PERMISSIONS,
  REQUIRED_PERSON,
} from './require-permission.decorator.js';

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
