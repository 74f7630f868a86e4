import { SetMetadata } from '@nestjs/common';
import type { Permission } from './permissions.js';

export const REQUIRED_PERMISSIONS = 'requiredPermissions';

/** The principal must hold at least one of these permissions. A route without the decorator is refused. */
export const RequirePermission = (...anyOf: Permission[]) => SetMetadata(REQUIRED_PERMISSIONS, anyOf);

export const PUBLIC_ROUTE = 'publicRoute';

/** Open to everybody: health, and nothing that shows records. */
export const PublicRoute = () => SetMetadata(PUBLIC_ROUTE, true);

export const BROWSER_PAGE = 'browserPage';

/** A page for people: a visitor without credentials is asked for e-mail and password by the browser. */
export const BrowserPage = () => SetMetadata(BROWSER_PAGE, true);
