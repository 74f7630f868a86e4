import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { PERMISSIONS, type UserRole } from '../../src/auth/principal.js';
import { ImportClient } from '../support/import-client.js';
import { signIn, storeUser } from '../support/sign-in.js';
import { insertBatch, storeApiKey, storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The expected table. After a change: `UPDATE_PERMISSIONS=1`, then read the difference. */
const FILE = join(import.meta.dirname, '../../docs/permissions.md');

/** Someone who sends requests; `own`: the batch of the request is one that the caller created. */
interface Caller {
  name: string;
  headers: Record<string, string>;
  own?: true;
}

/** What each caller may do, as the columns of the table. */
const CALLERS = [
  ['none', 'no credentials'],
  ['wrong', 'an unknown key'],
  ['revoked', 'a revoked key with every permission'],
  ['expired', 'an expired key with every permission'],
  ['Begin', 'a key with BeginWorkflowImportProcess'],
  ['View', 'a key with ViewImports'],
  ['Manage', 'a key with ManageImports'],
  ['Configure', 'a key with Configure'],
  ['Administer', 'a key with Administer'],
  ['Own', 'a key with ReadOwnImports'],
  ['sender', 'a key with BeginWorkflowImportProcess and ReadOwnImports, at the batch of another'],
  ['sender, own', 'the same key, at a batch that it created'],
  ['every', 'a key with every permission'],
  ['limited', 'a key with all permissions that can be limited, for another import process'],
  ['admin', 'an administrator'],
  ['operator', 'an operator'],
  ['viewer', 'a viewer'],
  ['lim. op.', 'an operator who is limited to another import process'],
  ['disabled', 'an administrator who was disabled while signed in'],
  ['foreign', 'the browser of an administrator, on a page of another site'],
] as const;

const LIMITED = ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports', 'ReadOwnImports'] as const;

/** bull-board brings its own router, which Nest does not list. The queue is unknown, so that nothing happens to it. */
const DASHBOARD = ['GET /queues', 'GET /queues/api/queues', 'PUT /queues/api/queues/:unknown/pause'];

/** Swagger UI brings a handful of routes of its own, all public. */
const isDocs = (route: string) => /^GET \/docs(\/|$)/.test(route);
/** End the session of the caller and lead to the sign-in page. */
const ENDS_SESSION: ReadonlySet<string> = new Set(['POST /account/sign-out-everywhere', 'POST /logout']);

const readTable = (): Map<string, string> =>
  new Map(
    readFileSync(FILE, 'utf8')
      .split('\n')
      .flatMap((line): [string, string][] => {
        const [, route, cells] = /^\| `([^`]+)` +\|(.*)\|$/.exec(line) ?? [];
        return route === undefined || cells === undefined ? [] : [[route, cells.replace(/\s+/g, ' ').trim()]];
      }),
  );

describe('the permission matrix', () => {
  const expected = process.env.UPDATE_PERMISSIONS === undefined ? readTable() : new Map<string, string>();
  const found = new Map<string, string>();
  let app: TestApp;
  let client: Client;
  let callers: Caller[];
  let importProcessId: number;
  let otherBatch: number;
  let ownBatch: number;
  /** Has not ended, so that it cannot be deleted. */
  let openBatch: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    importProcessId = await new ImportClient(app.url).setUp();
    const elsewhere = await storeImportProcess(client, 'Elsewhere');
    callers = await makeCallers(elsewhere);
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
    if (process.env.UPDATE_PERMISSIONS !== undefined) writeFileSync(FILE, tableOf(found));
  });

  async function makeCallers(elsewhere: number): Promise<Caller[]> {
    const batchOf = (createdBy: string) =>
      insertBatch(client, importProcessId, {
        status: 'completed',
        createdBy,
        finishedAt: new Date(),
        records: [
          { line: 1, status: 'succeeded', operation: 'created', payload: '{":Email":"a@example.org"}' },
        ],
      });
    const key = (name: string) => ({ authorization: `apikey the-key-called-${name}` });
    for (const name of ['revoked', 'expired', 'every'])
      await storeApiKey(client, key(name).authorization.slice(7), PERMISSIONS);
    await client.query(
      `UPDATE api_key SET revoked_at = now() WHERE key_hash = sha256('the-key-called-revoked')`,
    );
    await client.query(
      `UPDATE api_key SET expires_at = now() WHERE key_hash = sha256('the-key-called-expired')`,
    );
    for (const permission of PERMISSIONS)
      await storeApiKey(client, `the-key-called-${permission}`, [permission]);
    const sender = await storeApiKey(client, 'the-key-called-sender', [
      'BeginWorkflowImportProcess',
      'ReadOwnImports',
    ]);
    await storeApiKey(client, 'the-key-called-limited', LIMITED, [elsewhere]);
    otherBatch = await batchOf('user:999999');
    ownBatch = await batchOf(`api-key:${sender}`);
    openBatch = await insertBatch(client, importProcessId, {
      status: 'paused',
      createdBy: 'user:999999',
      records: [],
    });
    await storeUser(app, 'operator', 'limited@example.org');
    await client.query(`UPDATE app_user SET import_process_ids = $1 WHERE email = 'limited@example.org'`, [
      [elsewhere],
    ]);
    const session = async (role: UserRole, email?: string) => ({
      cookie: await signIn(app, role, email),
      origin: app.url,
    });
    const disabled = await session('administrator', 'disabled@example.org');
    await client.query(`UPDATE app_user SET disabled_at = now() WHERE email = 'disabled@example.org'`);
    const administrator = await session('administrator');
    const headers: Record<string, string>[] = [
      {},
      key('nobody'),
      key('revoked'),
      key('expired'),
      ...PERMISSIONS.map(key),
      key('sender'),
      key('sender'),
      key('every'),
      key('limited'),
      administrator,
      await session('operator'),
      await session('viewer'),
      await session('operator', 'limited@example.org'),
      disabled,
      { ...administrator, origin: 'https://evil.example' },
    ];
    return CALLERS.map(([name], index) => ({
      name,
      headers: headers[index]!,
      ...(name === 'sender, own' && { own: true }),
    }));
  }

  const routes = () => {
    const { router } = app.app.getHttpAdapter().getInstance() as {
      router: { stack: { route?: { path: string; methods: object } }[] };
    };
    return router.stack
      .flatMap(({ route }) =>
        route === undefined
          ? []
          : Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`),
      )
      .filter((route) => !isDocs(route))
      .concat(DASHBOARD)
      .sort();
  };

  /** With things that exist, where limits and ownership depend on them; no request changes anything. */
  const pathOf = (path: string, { own }: Caller) =>
    path
      .replace('/Batches/:id/Delete', `/Batches/${openBatch}/Delete`)
      .replace(/(\/Batches|\/imports)\/:id/, `$1/${own ? ownBatch : otherBatch}`)
      .replace(/(\/ImportProcesses|\/file-types)\/:id/, `$1/${importProcessId}`)
      .replace('/new/:type', `/new/${importProcessId}`)
      .replace('/:name', '/grant-role')
      .replace('/:action', '/cancel')
      .replace('/live', '/live?was=completed')
      .replace(/\/:\w+/g, '/999999');

  async function outcome(route: string, caller: Caller): Promise<string> {
    const [method, path] = route.split(' ') as [string, string];
    const response = await fetch(app.url + pathOf(path, caller), {
      method,
      redirect: 'manual',
      headers: caller.headers,
    });
    const text = await response.text();
    const { status } = response;
    if (status >= 500) throw new Error(`${route} answered ${status} to ${caller.name}: ${text}`);
    const to = status === 303 ? response.headers.get('location') : null;
    const signedOut = ENDS_SESSION.has(route) && to === '/login';
    if (to?.startsWith('/login') && !signedOut) return 'sign in';
    return [401, 403].includes(status) ? String(status) : 'yes';
  }

  async function rowOf(route: string): Promise<string> {
    const cells: string[] = [];
    for (const caller of callers) {
      cells.push(await outcome(route, caller));
      const endsSession = ENDS_SESSION.has(route) && cells.at(-1) === 'yes';
      if (endsSession && caller.headers.cookie !== undefined && caller.name !== 'disabled') {
        const email = { 'lim. op.': 'limited@example.org' }[caller.name];
        const role: UserRole =
          caller.name === 'admin' ? 'administrator' : caller.name === 'viewer' ? 'viewer' : 'operator';
        const cookie = await signIn(app, role, email);
        for (const each of callers) {
          if (each.headers.cookie === caller.headers.cookie && each !== caller) each.headers.cookie = cookie;
        }
        caller.headers.cookie = cookie;
      }
    }
    return cells.join(' | ');
  }

  /** Break it: rename a route. */
  it('has a row for every route, and a route for every row', () => {
    if (process.env.UPDATE_PERMISSIONS !== undefined) return;
    expect([...expected.keys()].sort()).toEqual(routes());
  });

  /** Break it: leave out one `@RequirePermission`, `assertMayUse` or `assertMayRead`. */
  it('is what every caller meets at every route', async () => {
    for (const route of routes()) found.set(route, await rowOf(route));
    if (process.env.UPDATE_PERMISSIONS !== undefined) return;
    const differences = [...found]
      .filter(([route, cells]) => cells !== expected.get(route))
      .map(([route, cells]) => ({ route, found: cells, expected: expected.get(route) }));
    expect(differences).toEqual([]);
  }, 300_000);
});

function tableOf(rows: ReadonlyMap<string, string>): string {
  const width = Math.max(...[...rows.keys()].map((route) => route.length)) + 2;
  const names = CALLERS.map(([name]) => name);
  const cellsOf = [...rows.values()].map((cells) => cells.split(' | '));
  const widths = names.map((name, index) =>
    Math.max(name.length, ...cellsOf.map((cells) => cells[index]!.length)),
  );
  const line = (route: string, cells: readonly string[]) =>
    `| ${route.padEnd(width)} | ${cells.map((cell, index) => cell.padEnd(widths[index]!)).join(' | ')} |`;
  return [
    '# Permission matrix',
    '',
    'Generated by `test/e2e/route-permissions.spec.ts`, which sends a request of each caller to each route and compares the answers with this table.',
    '',
    '- `yes`: the caller passes the permission check. The answer may still be 400, 404 or 409, because the requests carry no body.',
    '- `401`, `403`: the status of the refusal.',
    '- `sign in`: a page redirects the browser to the sign-in page.',
    '',
    'The callers:',
    '',
    ...CALLERS.map(([name, meaning]) => `- \`${name}\`: ${meaning}`),
    '',
    'Batches, workflows and import processes of the requests exist; the batch belongs to another caller unless stated.',
    '',
    line('route', names),
    line(
      '-'.repeat(width),
      widths.map((each) => '-'.repeat(each)),
    ),
    ...[...rows].map(([route, cells]) => line(`\`${route}\``, cells.split(' | '))),
    '',
  ].join('\n');
}
