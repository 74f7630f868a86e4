import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import {
  BrowserPage,
  PrincipalGuard,
  PublicRoute,
  RequireEveryPermission,
  RequirePermission,
  RequirePerson,
} from './access.js';
import type { Authenticator } from './authenticator.js';
import type { Permission } from './principal.js';

class Undecorated {
  forgotten() {}
  @PublicRoute() open() {}
  @RequirePermission() empty() {}
  @RequireEveryPermission() nothing() {}
}

@RequirePermission('Configure')
class Decorated {
  inherited() {}
  @RequirePermission('ViewImports', 'ManageImports') own() {}
  @BrowserPage() page() {}
  @RequireEveryPermission('ViewImports', 'ManageImports') every() {}
}

class ForPeople {
  @RequirePerson('administrator') configuration() {}
  @RequirePerson('anyone') account() {}
}

describe('PrincipalGuard', () => {
  const request: { principal?: unknown } = {};
  const authenticate = jest.fn();

  const attempt = (
    type: typeof Undecorated | typeof Decorated | typeof ForPeople,
    name: string,
    permissions: Permission[] = [],
    more: object = {},
  ) => {
    authenticate.mockReset().mockResolvedValue({ id: 'api-key:1', permissions, ...more });
    const handler = (type.prototype as unknown as Record<string, () => void>)[name]!;
    const context = {
      getClass: () => type,
      getHandler: () => handler,
      switchToHttp: () => ({ getRequest: () => request }),
    } as unknown as ExecutionContext;
    return new PrincipalGuard(new Reflector(), { authenticate } as unknown as Authenticator).canActivate(
      context,
    );
  };

  it.each(['forgotten', 'empty', 'nothing'])(
    'closes a route that does not declare its users: %s',
    async (name) => {
      await expect(attempt(Undecorated, name, ['Configure'])).rejects.toThrow(`Undecorated.${name}`);
    },
  );

  it('does not authenticate on a public route', async () => {
    await expect(attempt(Undecorated, 'open')).resolves.toBe(true);
    expect(authenticate).not.toHaveBeenCalled();
  });

  it('uses the permissions of the class unless the method has its own', async () => {
    await expect(attempt(Decorated, 'inherited', ['Configure'])).resolves.toBe(true);
    await expect(attempt(Decorated, 'inherited', ['ViewImports'])).rejects.toMatchObject({
      code: 'permission_denied',
    });
    await expect(attempt(Decorated, 'own', ['Configure'])).rejects.toMatchObject({
      code: 'permission_denied',
    });
  });

  it('accepts any one of several permissions', async () => {
    await expect(attempt(Decorated, 'own', ['ViewImports'])).resolves.toBe(true);
    await expect(attempt(Decorated, 'own', ['ManageImports'])).resolves.toBe(true);
  });

  it('asks for every permission where all are needed, and names the missing one', async () => {
    await expect(attempt(Decorated, 'every', ['ViewImports', 'ManageImports'])).resolves.toBe(true);
    await expect(attempt(Decorated, 'every', ['ViewImports', 'Configure'])).rejects.toThrow(/ManageImports/);
    await expect(attempt(Decorated, 'every', ['ManageImports'])).rejects.toThrow(/ViewImports/);
  });

  it('attaches the principal to the request', async () => {
    await attempt(Decorated, 'inherited', ['Configure']);
    expect(request.principal).toMatchObject({ id: 'api-key:1' });
  });

  it('redirects to the sign-in page from pages only', async () => {
    await attempt(Decorated, 'page', ['Configure']);
    expect(authenticate).toHaveBeenCalledWith(request, true);
    await attempt(Decorated, 'inherited', ['Configure']);
    expect(authenticate).toHaveBeenCalledWith(request, false);
  });

  it('refuses API keys on routes for users, whatever their permissions', async () => {
    await expect(attempt(ForPeople, 'configuration', ['Configure'])).rejects.toMatchObject({ status: 403 });
    await expect(attempt(ForPeople, 'account', ['Configure'])).rejects.toMatchObject({ status: 403 });
    const user = { id: 1, role: 'viewer' };
    await expect(attempt(ForPeople, 'account', [], { user })).resolves.toBe(true);
    await expect(attempt(ForPeople, 'configuration', [], { user })).rejects.toMatchObject({ status: 403 });
    await expect(attempt(ForPeople, 'configuration', [], { user, administrator: true })).resolves.toBe(true);
  });
});
