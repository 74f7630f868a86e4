import { Client } from 'pg';
import {
  type Permission,
  PERMISSIONS,
  permissionsOf,
  USER_ROLES,
  type UserRole,
} from '../../src/auth/principal.js';
import { signIn } from '../support/sign-in.js';
import { storeApiKey } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const BATCHES = '/API/WorkflowImportQueue/Batches';
const PROCESSES = '/API/WorkflowImportQueue/ImportProcesses';
const WORKFLOWS = '/API/Workflows';

/**
 * Who may use a route: a key or user with any of the permissions, or with every one of them, only signed-in administrators, anyone who
 * is signed in, or everyone.
 */
type Access = Permission[] | { every: Permission[] } | 'administrators' | 'people' | 'everyone';

/** Every route. A new one needs a row here. */
const ROUTES: [route: string, access: Access][] = [
  ['GET /', ['ViewImports']],
  ['GET /API/ApiKeys', ['Configure']],
  ['POST /API/ApiKeys', ['Configure']],
  ['DELETE /API/ApiKeys/:id', ['Configure']],
  ['POST /API/WorkflowImportQueue/CreateBatch', ['BeginWorkflowImportProcess']],
  ['POST /API/WorkflowImportQueue/Uploads', ['BeginWorkflowImportProcess']],
  [`GET ${BATCHES}`, ['ViewImports', 'ReadOwnImports']],
  [`GET ${BATCHES}/:id`, ['ViewImports', 'ReadOwnImports']],
  [`GET ${BATCHES}/:id/Events`, ['ViewImports', 'ReadOwnImports']],
  [`GET ${BATCHES}/:id/Notifications`, ['ViewImports']],
  [`GET ${BATCHES}/:id/Preview`, ['ViewImports', 'ReadOwnImports']],
  [`GET ${BATCHES}/:id/Records`, ['ViewImports', 'ReadOwnImports']],
  [`GET ${BATCHES}/:id/Results`, ['ViewImports', 'ReadOwnImports']],
  [`POST ${BATCHES}/:id/Abandon`, ['ManageImports', 'BeginWorkflowImportProcess']],
  [`POST ${BATCHES}/:id/Cancel`, ['ManageImports']],
  [`POST ${BATCHES}/:id/Confirm`, ['ManageImports', 'BeginWorkflowImportProcess']],
  [`POST ${BATCHES}/:id/Pause`, ['ManageImports']],
  [`POST ${BATCHES}/:id/Resume`, ['ManageImports']],
  [`POST ${BATCHES}/:id/RetryFailed`, ['ManageImports']],
  [`GET ${PROCESSES}`, ['BeginWorkflowImportProcess', 'Configure']],
  [`POST ${PROCESSES}`, ['Configure']],
  [`GET ${PROCESSES}/:id`, ['Configure']],
  [`PUT ${PROCESSES}/:id`, ['Configure']],
  [`DELETE ${PROCESSES}/:id`, ['Configure']],
  // Wider than http-api.md, which says Configure: who may send rows may know what they look like.
  [`GET ${PROCESSES}/:id/Schema`, ['BeginWorkflowImportProcess', 'Configure']],
  [`GET ${PROCESSES}/:id/Template`, ['BeginWorkflowImportProcess', 'Configure']],
  [`GET ${WORKFLOWS}`, ['Configure']],
  [`POST ${WORKFLOWS}`, ['Configure']],
  [`GET ${WORKFLOWS}/:name`, ['Configure']],
  [`PUT ${WORKFLOWS}/:name`, ['Configure']],
  // Wider than http-api.md, which says Configure.
  [`GET ${WORKFLOWS}/:name/Instances`, ['Configure', 'ViewImports']],
  [`GET ${WORKFLOWS}/:name/Instances/:id`, ['Configure', 'ViewImports']],
  [`GET ${WORKFLOWS}/:name/Instances/Export`, ['ViewImports']],
  [
    `POST ${WORKFLOWS}/:name/Instances/:id/Behaviors/:behaviorId/Resend`,
    { every: ['ManageImports', 'ViewImports'] },
  ],
  // A record of a batch does the same.
  [`POST ${WORKFLOWS}/:name/Instances/:id/Actions/:action`, ['BeginWorkflowImportProcess']],
  ['GET /metrics', ['ViewImports']],
  ['GET /health/live', 'everyone'],
  ['GET /health/ready', 'everyone'],
  ['GET /imports', ['ViewImports']],
  ['GET /imports/new', ['BeginWorkflowImportProcess']],
  ['GET /imports/new/:type', ['BeginWorkflowImportProcess']],
  ['POST /imports/new/:type', ['BeginWorkflowImportProcess']],
  ['GET /imports/new/:type/one', ['BeginWorkflowImportProcess']],
  ['POST /imports/new/:type/one', ['BeginWorkflowImportProcess']],
  ['GET /imports/:id', ['ViewImports']],
  ['GET /imports/:id/fix', ['ManageImports', 'BeginWorkflowImportProcess']],
  ['POST /imports/:id/fix', ['ManageImports', 'BeginWorkflowImportProcess']],
  ['POST /imports/:id/columns', ['ManageImports', 'BeginWorkflowImportProcess']],
  ['GET /imports/:id/live', ['ViewImports']],
  ['GET /imports/:id/records/:line', ['ViewImports']],
  ['GET /imports/:id/results', ['ViewImports']],
  ['POST /imports/:id/:action', ['ManageImports']],
  ['GET /workflows', ['Configure', 'ViewImports']],
  ['POST /workflows', ['Configure']],
  ['GET /workflows/new', ['Configure']],
  ['GET /workflows/:name', ['Configure', 'ViewImports']],
  ['POST /workflows/:name', ['Configure']],
  ['GET /workflows/:name/instances', ['Configure', 'ViewImports']],
  ['GET /workflows/:name/instances/:id', ['Configure', 'ViewImports']],
  ['POST /workflows/:name/instances/:id/behaviors/:behaviorId/resend', ['ManageImports']],
  ['GET /file-types', ['Configure']],
  ['POST /file-types', ['Configure']],
  ['GET /file-types/new', ['Configure']],
  ['GET /file-types/:id', ['Configure']],
  ['POST /file-types/:id', ['Configure']],
  ['POST /file-types/:id/try', ['Configure']],
  ['POST /file-types/:id/columns/forget', ['Configure']],
  ['POST /file-types/:id/up', ['Configure']],
  ['POST /file-types/:id/down', ['Configure']],
  ['POST /file-types/:id/delete', ['Configure']],
  ['GET /mail', ['ViewImports']],
  ['POST /mail/:id/resend', ['ManageImports']],
  ['GET /account', 'people'],
  ['POST /account/password', 'people'],
  ['POST /account/sign-out-everywhere', 'people'],
  ['GET /api-keys', 'administrators'],
  ['POST /api-keys', 'administrators'],
  ['GET /api-keys/created', 'administrators'],
  ['POST /api-keys/:id/revoke', 'administrators'],
  ['GET /users', 'administrators'],
  ['POST /users', 'administrators'],
  ['GET /users/:id', 'administrators'],
  ['POST /users/:id/disable', 'administrators'],
  ['POST /users/:id/enable', 'administrators'],
  ['POST /users/:id/password', 'administrators'],
  ['POST /users/:id/role', 'administrators'],
  ['POST /users/:id/sign-out', 'administrators'],
  ['GET /login', 'everyone'],
  ['POST /login', 'everyone'],
  ['POST /logout', 'everyone'],
];

/** Swagger UI brings a handful of routes of its own, all open. */
const isDocs = (route: string) => /^GET \/docs(\/|$)/.test(route);
const isPage = (route: string) => !/^\w+ \/(API|health|metrics)(\/|$)/.test(route);
/** Whoever may do it is signed out by it. */
const ENDS_SESSION: ReadonlySet<string> = new Set(['POST /account/sign-out-everywhere']);
const keyWith = (permission: Permission) => `a-key-that-may-only-${permission}`;

function permits(access: Access, permissions: readonly Permission[]): boolean {
  if (typeof access === 'string') return false;
  if (Array.isArray(access)) return access.some((permission) => permissions.includes(permission));
  return access.every.every((permission) => permissions.includes(permission));
}

function permitsRole(access: Access, role: UserRole): boolean {
  if (access === 'administrators') return role === 'administrator';
  return access === 'people' || permits(access, permissionsOf(role));
}

describe('every route', () => {
  let app: TestApp;
  const cookies = new Map<UserRole, string>();

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    const client = new Client({ connectionString: app.database.url });
    await client.connect();
    for (const permission of PERMISSIONS) await storeApiKey(client, keyWith(permission), [permission]);
    await client.end();
    for (const role of USER_ROLES) cookies.set(role, await signIn(app, role));
  });

  afterAll(() => app?.close());

  const call = async (route: string, headers: Record<string, string> = {}) => {
    const [method, path] = route.split(' ') as [string, string];
    const response = await fetch(app.url + path.replace(/:\w+/g, '999999'), {
      method,
      redirect: 'manual',
      headers: { origin: app.url, ...headers },
    });
    await response.text();
    return { status: response.status, location: response.headers.get('location') };
  };
  const withKey = (route: string, key: string) => call(route, { authorization: `apikey ${key}` });
  const as = (route: string, role: UserRole) => call(route, { cookie: cookies.get(role)! });

  /** Break it: rename a route. */
  it('has its entry in the table of permissions, and every entry its route', () => {
    const { router } = app.app.getHttpAdapter().getInstance() as {
      router: { stack: { route?: { path: string; methods: object } }[] };
    };
    const registered = router.stack
      .flatMap(({ route }) =>
        route === undefined
          ? []
          : Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`),
      )
      .filter((route) => !isDocs(route));
    expect(registered.sort()).toEqual(ROUTES.map(([route]) => route).sort());
  });

  describe.each(ROUTES)('%s', (route, access) => {
    if (access === 'everyone') {
      /** Break it: in `HealthController`, leave out `@PublicRoute`. */
      it('is open', async () => {
        // The forms of the sign-in page say what they miss.
        expect([200, 303, 400]).toContain((await call(route)).status);
      });
      return;
    }

    /** Break it: in `PrincipalGuard`, answer true. */
    it('is closed without credentials, and to a wrong key', async () => {
      const { status, location } = await call(route);
      if (isPage(route)) expect([status, location]).toEqual([303, expect.stringMatching(/^\/login/)]);
      else expect(status).toBe(401);
      expect((await withKey(route, 'wrong')).status).toBe(401);
    });

    for (const permission of PERMISSIONS) {
      const open = permits(access, [permission]);
      /** Break it: in `PrincipalGuard`, leave out `permissionDenied`. */
      it(`is ${open ? 'open' : 'closed'} to a key with ${permission}`, async () => {
        const { status } = await withKey(route, keyWith(permission));
        if (!open) return expect(status).toBe(403);
        expect([401, 403]).not.toContain(status);
        expect(status).toBeLessThan(500);
      });
    }

    for (const role of USER_ROLES) {
      const open = permitsRole(access, role);
      /** Break it: in `PrincipalGuard`, leave out `administratorRequired`. */
      it(`is ${open ? 'open' : 'closed'} to someone who is ${role}`, async () => {
        const { status, location } = await as(route, role);
        if (ENDS_SESSION.has(route)) cookies.set(role, await signIn(app, role));
        if (!open) return expect(status).toBe(403);
        expect([401, 403]).not.toContain(status);
        expect(status).toBeLessThan(500);
        if (!ENDS_SESSION.has(route)) expect(location ?? '').not.toMatch(/^\/login/);
      });
    }

    if (!route.startsWith('GET ')) {
      /** Break it: in `isCrossSiteWrite`, answer false. */
      it('is closed to a session that another site makes the browser send', async () => {
        const cookie = cookies.get('administrator')!;
        expect((await call(route, { cookie, origin: 'https://evil.example' })).status).toBe(403);
        expect((await call(route, { cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
      });
    }
  });
});
