import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { permissionDenied } from './auth.errors.js';
import { Authenticator } from './authenticator.js';
import type { AuthenticatedRequest } from './current-principal.decorator.js';
import type { Permission } from './permissions.js';
import { BROWSER_PAGE, PUBLIC_ROUTE, REQUIRED_PERMISSIONS } from './require-permission.decorator.js';

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
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, places) === true) return true;

    const anyOf = this.reflector.getAllAndOverride<Permission[] | undefined>(REQUIRED_PERMISSIONS, places);
    if (anyOf === undefined || anyOf.length === 0) {
      const route = `${context.getClass().name}.${context.getHandler().name}`;
      throw new Error(`${route} has neither @RequirePermission nor @PublicRoute, so it is closed`);
    }

    const page = this.reflector.getAllAndOverride<boolean | undefined>(BROWSER_PAGE, places) === true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const principal = await this.authenticator.authenticate(request, page);
    if (!anyOf.some((permission) => principal.permissions.includes(permission)))
      throw permissionDenied(anyOf);
    request.principal = principal;
    return true;
  }
}
