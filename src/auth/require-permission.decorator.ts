import { SetMetadata } from '@nestjs/common';
import type { Permission } from './permissions.js';

export const REQUIRED_PERMISSIONS = 'requiredPermissions';

/** The principal must hold at least one of these permissions. A route that says nothing is refused. */
export const RequirePermission = (...anyOf: Permission[]) => SetMetadata(REQUIRED_PERMISSIONS, anyOf);

export const REQUIRED_PERSON = 'requiredPerson';

/**
 * Instead of a permission. `administrator`: an administrator who is signed in, no API key; a key that may configure
 * could else make itself a person who may do everything. `anyone`: whoever is signed in.
 */
export const RequirePerson = (who: 'administrator' | 'anyone') => SetMetadata(REQUIRED_PERSON, who);

export const PUBLIC_ROUTE = 'publicRoute';

/** Open to everybody: health, the sign-in page, and nothing that shows records. */
export const PublicRoute = () => SetMetadata(PUBLIC_ROUTE, true);

export const BROWSER_PAGE = 'browserPage';

/** A page for people: a visitor without a session is led to the sign-in page. */
export const BrowserPage = () => SetMetadata(BROWSER_PAGE, true);
