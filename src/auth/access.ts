import { AsyncResource } from 'node:async_hooks';
import {
  type BeforeApplicationShutdown,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  Logger,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { DatabaseService } from '../platform/database/database.service.js';
import { type AuditEntry, type AuditRow, inRequest, insertAuditRows } from './audit-log.sql.js';
import {
  administratorRequired,
  everyImportProcessNeeded,
  importProcessNotAllowed,
  passwordChangeRequired,
  permissionDenied,
  personRequired,
} from './auth.errors.js';
import { Authenticator } from './authenticator.js';
import type { Permission, Principal } from './principal.js';
import { networkOf } from './sign-in-throttle.js';

const REQUIRED_PERMISSIONS = 'requiredPermissions';

/** The principal needs at least one of these permissions. A route without any declaration is refused. */
export const RequirePermission = (...anyOf: Permission[]) =>
  SetMetadata(REQUIRED_PERMISSIONS, { anyOf } satisfies Requirement);

/** The principal needs all of these permissions. */
export const RequireEveryPermission = (...allOf: Permission[]) =>
  SetMetadata(REQUIRED_PERMISSIONS, { allOf } satisfies Requirement);

type Requirement = { anyOf: readonly Permission[] } | { allOf: readonly Permission[] };

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
export const BrowserPage = () => SetMetadata(BROWSER_PAGE, 'always');

/** An API route to which mails link: a visitor who opens it in a browser is sent to the sign-in page, too. */
export const OpenedInBrowsers = () => SetMetadata(BROWSER_PAGE, 'navigations');

/** Programs accept anything, or JSON; a browser that opens an address asks for HTML. */
function isNavigation(request: Request): boolean {
  const mode = request.get('sec-fetch-mode') ?? 'navigate';
  return request.method === 'GET' && mode === 'navigate' && request.accepts(['json', 'html']) === 'html';
}

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

/** What permissions depend on, of something that a principal created for an import process. */
export interface Owned {
  importProcessId: number;
  /** Id of the principal. */
  createdBy: string;
}

type Reader = Pick<Principal, 'id' | 'permissions' | 'importProcessIds'>;

/** Whether the principal created it. */
export const owns = ({ id }: Pick<Principal, 'id'>, { createdBy }: Pick<Owned, 'createdBy'>): boolean =>
  id === createdBy;

/** Whether the principal may read it: with ViewImports, or with ReadOwnImports if it is its own. */
export function mayRead(principal: Reader, owned: Owned): boolean {
  const { permissions, importProcessIds } = principal;
  if (importProcessIds !== null && !importProcessIds.includes(owned.importProcessId)) return false;
  if (permissions.includes('ViewImports')) return true;
  return permissions.includes('ReadOwnImports') && owns(principal, owned);
}

/** @throws DomainError 403 `import_process_not_allowed`, or `permission_denied` unless the principal may read it */
export function assertMayRead(principal: Reader, owned: Owned): void {
  assertMayUse(principal, owned.importProcessId);
  if (!mayRead(principal, owned)) throw permissionDenied(['ViewImports']);
}

/**
 * For the steps of an upload before it is processed: with ManageImports, or with BeginWorkflowImportProcess if it is the
 * principal's own.
 * @throws DomainError 403 `import_process_not_allowed`, `permission_denied`
 */
export function assertMayPrepare(principal: Reader, owned: Owned): void {
  const { permissions } = principal;
  assertMayUse(principal, owned.importProcessId);
  if (permissions.includes('ManageImports')) return;
  if (!permissions.includes('BeginWorkflowImportProcess') || !owns(principal, owned)) {
    throw permissionDenied(['ManageImports']);
  }
}

/**
 * Whether a mapping of columns that the principal proposes becomes the default once the upload is confirmed. It then
 * applies to the files of everyone, so permission to send rows is not enough.
 */
export const maySetDefaults = ({ permissions }: Pick<Principal, 'permissions'>): boolean =>
  permissions.includes('ManageImports') || permissions.includes('Configure');

/**
 * For answers that cover all import processes and cannot be divided among them.
 * @throws DomainError 403 `import_process_not_allowed` when the principal is limited to some import processes
 */
export function assertUnlimited({ importProcessIds }: Pick<Principal, 'importProcessIds'>): void {
  if (importProcessIds !== null) throw everyImportProcessNeeded();
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
    const required = declared<Requirement>(REQUIRED_PERMISSIONS);
    if (person === undefined && (required === undefined || isEmpty(required))) {
      const route = `${context.getClass().name}.${context.getHandler().name}`;
      throw new Error(`${route} declares neither its users nor @PublicRoute, so it is closed`);
    }

    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const shown = declared<'always' | 'navigations'>(BROWSER_PAGE);
    const isPage = shown === 'always' || (shown === 'navigations' && isNavigation(request));
    const principal = await this.authenticator.authenticate(request, isPage);
    // Set before any refusal, because the error page and the log name the principal.
    request.principal = principal;
    if (person !== 'anyone') assertOwnPassword(principal, isPage);
    if (person === 'administrator' && !principal.administrator) throw administratorRequired();
    if (person === 'anyone' && principal.user === undefined) throw personRequired();
    if (required !== undefined) assertFulfils(principal, required);
    return true;
  }
}

/**
 * Someone else knows a temporary password, so it opens nothing but the user's own account.
 * @param page the route answers HTML, so the browser is sent to the account
 * @throws DomainError 403 (on pages 303) `password_change_required`
 */
export function assertOwnPassword({ user }: Pick<Principal, 'user'>, page: boolean): void {
  if (user?.passwordIsTemporary === true) throw passwordChangeRequired(page);
}

const isEmpty = (required: Requirement) =>
  ('anyOf' in required ? required.anyOf : required.allOf).length === 0;

function assertFulfils(principal: Principal, required: Requirement): void {
  if ('anyOf' in required) return assertHoldsOneOf(principal, required.anyOf);
  for (const permission of required.allOf) assertHoldsOneOf(principal, [permission]);
}

/**
 * For what `RequirePermission` cannot state, because one route does many things.
 * @throws DomainError 403 `permission_denied`
 */
export function assertHoldsOneOf(
  { permissions }: Pick<Principal, 'permissions'>,
  anyOf: readonly Permission[],
): void {
  if (!anyOf.some((permission) => permissions.includes(permission))) throw permissionDenied(anyOf);
}

const WINDOW_MS = 60_000;
/** Kinds of refusals that this process writes separately per window. Further kinds share one row per action. */
const MOST_KINDS = 200;
const LONGEST_PATH = 200;

const REFUSALS: ReadonlySet<number> = new Set([401, 403, 429]);

/**
 * Writes refusals to the audit log. Anyone can cause refusals, so they must not fill the disk: the first of a kind is
 * written at once, and a second row per minute states how many equal ones followed from the same network.
 */
@Injectable()
export class RefusalLog implements BeforeApplicationShutdown {
  private readonly logger = new Logger(RefusalLog.name);
  private readonly repeated = new Map<string, AuditRow>();
  private readonly noted = new WeakSet<Request>();
  private window: NodeJS.Timeout | undefined;

  constructor(private readonly database: DatabaseService) {}

  /** Counts the refusal of a request. The caller need not wait. @param kind tells refusals of one action apart */
  async note(request: Request, entry: AuditEntry, kind: string): Promise<void> {
    if (this.noted.has(request)) return;
    this.noted.add(request);
    const row: AuditRow = { ...inRequest(entry), outcome: 'refused' };
    const { action, actor, address } = row;
    const key = JSON.stringify([action, kind, actor, networkOf(address ?? '')]);
    this.window ??= setTimeout(() => void this.flush(), WINDOW_MS).unref();
    const earlier = this.repeated.get(key);
    if (earlier !== undefined) {
      earlier.occurrences += 1;
    } else if (this.repeated.size >= MOST_KINDS) {
      this.countOther(action);
    } else {
      this.repeated.set(key, { ...row, occurrences: 0 });
      await this.write([row]);
    }
  }

  /** Writes what has been counted since the first refusals of each kind. */
  async flush(): Promise<void> {
    clearTimeout(this.window);
    this.window = undefined;
    const rows = [...this.repeated.values()].filter(({ occurrences }) => occurrences > 0);
    this.repeated.clear();
    if (rows.length > 0) await this.write(rows);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.flush();
  }

  private countOther(action: string): void {
    const key = `others ${action}`;
    const others = this.repeated.get(key);
    if (others !== undefined) {
      others.occurrences += 1;
      return;
    }
    const details = { sources: 'many' };
    const unknown = { actor: null, address: null, requestId: null };
    this.repeated.set(key, { ...unknown, action, details, outcome: 'refused', occurrences: 1 });
  }

  private async write(rows: readonly AuditRow[]): Promise<void> {
    await insertAuditRows(this.database, rows).catch((error: unknown) =>
      this.logger.warn(`Refusals are missing in the audit log: ${String(error)}`),
    );
  }
}

/** Notes every request that is answered 401, 403 or 429, whichever part of the program refused it. */
export function auditRefusals(log: RefusalLog): RequestHandler {
  return (request: Request & { principal?: Principal }, response: Response, next: NextFunction) => {
    // Bound, because the event comes outside the request whose address and id the entry needs.
    const note = AsyncResource.bind(() => {
      const { statusCode: status } = response;
      if (!REFUSALS.has(status)) return;
      const path = request.originalUrl.split('?', 1)[0]?.slice(0, LONGEST_PATH) ?? '';
      const { problemCode: code } = response.locals as { problemCode?: string };
      const actor = request.principal?.id ?? null;
      const details = { status, ...(code !== undefined && { code }), method: request.method, path };
      void log.note(request, { actor, action: 'access_refused', details }, `${status} ${code}`);
    });
    response.once('finish', note);
    next();
  };
}
