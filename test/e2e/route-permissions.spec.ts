import { Client } from 'pg';
import { PERMISSIONS, type Permission } from '../../src/auth/permissions.js';
import { storeApiKey } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const BATCHES = '/API/WorkflowImportQueue/Batches';
const PROCESSES = '/API/WorkflowImportQueue/ImportProcesses';
const WORKFLOWS = '/API/Workflows';

/** Every route and who may use it: a key with any of the permissions, or everybody. A new route needs its row here. */
const ROUTES: [route: string, access: Permission[] | 'everybody'][] = [
  ['GET /', ['ViewImports']],
  ['GET /API/ApiKeys', ['Configure']],
  ['POST /API/ApiKeys', ['Configure']],
  ['DELETE /API/ApiKeys/:id', ['Configure']],
  ['POST /API/WorkflowImportQueue/CreateBatch', ['BeginWorkflowImportProcess']],
  [`GET ${BATCHES}`, ['ViewImports']],
  [`GET ${BATCHES}/:id`, ['ViewImports']],
  [`GET ${BATCHES}/:id/Notifications`, ['ViewImports']],
  [`GET ${BATCHES}/:id/Records`, ['ViewImports']],
  [`GET ${BATCHES}/:id/Results`, ['ViewImports']],
  [`POST ${BATCHES}/:id/Cancel`, ['ManageImports']],
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
  [`GET ${WORKFLOWS}/:name/Instances/Export`, ['Configure', 'ViewImports']],
  [`POST ${WORKFLOWS}/:name/Instances/:id/Behaviors/:behaviorId/Resend`, ['ManageImports']],
  ['GET /health/live', 'everybody'],
  ['GET /health/ready', 'everybody'],
  ['GET /imports', ['ViewImports']],
  ['GET /imports/:id', ['ViewImports']],
  ['GET /imports/:id/live', ['ViewImports']],
  ['GET /imports/:id/records/:line', ['ViewImports']],
  ['GET /imports/:id/results', ['ViewImports']],
  ['POST /imports/:id/:action', ['ManageImports']],
];

/** Swagger UI brings a handful of routes of its own, all open. */
const isDocs = (route: string) => /^GET \/docs(\/|$)/.test(route);
const keyWith = (permission: Permission) => `a-key-that-may-only-${permission}`;

describe('every route', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    const client = new Client({ connectionString: app.database.url });
    await client.connect();
    for (const permission of PERMISSIONS) await storeApiKey(client, keyWith(permission), [permission]);
    await client.end();
  });

  afterAll(() => app?.close());

  const call = async (route: string, authorization?: string) => {
    const [method, path] = route.split(' ') as [string, string];
    const response = await fetch(app.url + path.replace(/:\w+/g, '999999'), {
      method,
      redirect: 'manual',
      headers: { ...(authorization !== undefined && { authorization }) },
    });
    const text = await response.text();
    return { status: response.status, code: /"code":"(\w+)"/.exec(text)?.[1] };
  };

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
    if (access === 'everybody') {
      it('is open', async () => {
        expect((await call(route)).status).toBe(200);
      });
      return;
    }

    it('is closed without a key, and to a wrong one', async () => {
      expect((await call(route)).status).toBe(401);
      expect((await call(route, 'apikey wrong')).status).toBe(401);
    });

    it.each(PERMISSIONS.filter((permission) => !access.includes(permission)))(
      'is closed to %s',
      async (permission) => {
        expect((await call(route, `apikey ${keyWith(permission)}`)).status).toBe(403);
      },
    );

    it.each(access)('is open to %s', async (permission) => {
      const { status } = await call(route, `apikey ${keyWith(permission)}`);
      expect([401, 403]).not.toContain(status);
      expect(status).toBeLessThan(500);
    });
  });
});
