import { Client } from 'pg';
import { signIn, submit } from '../support/sign-in.js';
import { storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const MARKUP = `"><script>alert(1)</script>`;

describe('the page of API keys', () => {
  let app: TestApp;
  let client: Client;
  let cookie: string;
  let members: number;
  let courses: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    members = await storeImportProcess(client, 'Members');
    courses = await storeImportProcess(client, 'Courses');
    cookie = await signIn(app);
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const page = async () => (await fetch(`${app.url}/api-keys`, { headers: { cookie } })).text();
  const make = async (fields: Record<string, string | string[]>) => {
    const response = await submit(app, '/api-keys', fields, { cookie });
    return { status: response.status, headers: response.headers, html: await response.text() };
  };
  const follow = (path: string, newKey = '') =>
    fetch(app.url + path, { headers: { cookie: `${cookie}; ${newKey}` }, redirect: 'manual' });
  /** Creates a key and opens the page that shows it. */
  const create = async (fields: Record<string, string | string[]>) => {
    const { status, headers } = await make(fields);
    expect([status, headers.get('location')]).toEqual([303, '/api-keys/created']);
    const [newKey = ''] = headers.getSetCookie()[0]?.split(';') ?? [];
    const shown = await follow('/api-keys/created', newKey);
    return { status: shown.status, headers: shown.headers, html: await shown.text(), newKey };
  };
  const decode = (html: string) =>
    html
      .replace(/&#x27;/g, "'")
      .replace(/&#x3D;/g, '=')
      .replace(/&quot;/g, '"')
      .replace(/&amp;/g, '&');
  const errorAt = (html: string, field: string) =>
    new RegExp(`id="error-${field}">([^<]*)<`).exec(html)?.[1] ?? null;
  const statusWith = async (key: string, path: string) =>
    (await fetch(app.url + path, { headers: { authorization: `apikey ${key}` } })).status;

  it('creates a key and shows it once, with a curl line that works', async () => {
    const { status, headers, html } = await create({
      name: 'Nightly sync',
      permissions: 'BeginWorkflowImportProcess',
      importProcessIds: [String(members), String(courses)],
      expiresOn: '2099-12-31',
    });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    const curl = decode(/<code>(curl [^<]*)<\/code>/.exec(html)![1]!);
    const [, key] = /apikey (wiq_[\w-]{43})'/.exec(curl)!;
    expect(decode(html)).toContain(`<code id="new-key">${key}</code>`);
    expect(curl).toBe(
      `curl -H 'Authorization: apikey ${key}' --data-binary @members.jsonl 'https://imports.example.org` +
        `/API/WorkflowImportQueue/CreateBatch?fileName=members.jsonl&importProcessId=${members}'`,
    );
    expect(await statusWith(key!, '/API/WorkflowImportQueue/ImportProcesses')).toBe(200);
    expect(await statusWith(key!, '/API/WorkflowImportQueue/Batches')).toBe(403);

    const list = await page();
    expect(list).not.toContain(key);
    for (const shown of [
      'Nightly sync',
      key!.slice(0, 8),
      'Members, Courses',
      '31 Dec 2099',
      'administrator@example.org',
    ]) {
      expect(list).toContain(shown);
    }
    const { rows } = await client.query(`SELECT * FROM audit_log WHERE action = 'api_key_created'`);
    expect(rows).toMatchObject([{ details: { name: 'Nightly sync', importProcessIds: [members, courses] } }]);
    expect(JSON.stringify(rows)).not.toContain(key);
  });

  it('revokes a key at once', async () => {
    const { html } = await create({ name: 'For a day', permissions: ['ViewImports', 'ManageImports'] });
    const [key] = /wiq_[\w-]{43}/.exec(html)!;
    expect(await statusWith(key, '/API/WorkflowImportQueue/Batches')).toBe(200);
    const list = await page();
    const [, dialog] = /popovertarget="(revoke-\d+)" aria-label="Revoke For a day"/.exec(list)!;
    const [, path] = new RegExp(`<dialog[^>]* id="${dialog}".*?action="([^"]+)"`, 's').exec(list)!;
    const response = await submit(app, path!, {}, { cookie });
    expect([response.status, response.headers.get('location')]).toEqual([303, '/api-keys']);
    expect(await statusWith(key, '/API/WorkflowImportQueue/Batches')).toBe(401);
    expect(await page()).toContain('revoked');
    const { rows } = await client.query(`SELECT actor FROM audit_log WHERE action = 'api_key_revoked'`);
    expect(rows).toEqual([{ actor: expect.stringMatching(/^user:\d+$/) }]);
  });

  it.each([
    [{ permissions: 'ViewImports' }, 'name', /is required/],
    [{ name: 'x'.repeat(101), permissions: 'ViewImports' }, 'name', /1 to 100 characters/],
    [{ name: MARKUP, permissions: [] }, 'permissions', /must name at least one/],
    [{ name: MARKUP, permissions: 'Everything' }, 'permissions', /must be some of/],
    [
      { name: MARKUP, permissions: 'ViewImports', importProcessIds: 'x' },
      'importProcessIds',
      /positive integers/,
    ],
    [{ name: MARKUP, permissions: 'ViewImports', expiresOn: '2027-02-30' }, 'expiresOn', /like 2027-12-31/],
    [{ name: MARKUP, permissions: 'ViewImports', expiresOn: '2020-01-01' }, 'expiresOn', /in the future/],
  ])('reports each error at its field and keeps what was entered: %j', async (fields, field, sentence) => {
    const { status, html } = await make(fields);
    expect(status).toBe(400);
    expect(errorAt(html, field)).toMatch(sentence);
    expect(html).not.toContain('<script>');
    if (fields.permissions === 'ViewImports') expect(html).toMatch(/value="ViewImports" checked/);
  });

  /** Break it: in `ApiKeysPage.created`, keep the cookie; in `ApiKeysPage.create`, answer a page. */
  it('shows the key once, and creates no second one on a reload', async () => {
    const { headers, html, newKey } = await create({ name: 'Only once', permissions: 'ViewImports' });
    expect(html).toContain(newKey.split('.')[1]);
    expect(headers.getSetCookie()[0]).toMatch(/^wiq_new_key=;.*Path=\/api-keys\/created;.*1970/);
    const again = await follow('/api-keys/created');
    expect([again.status, again.headers.get('location')]).toEqual([303, '/api-keys']);
    const forged = await follow('/api-keys/created', newKey.replace(/wiq_../, 'wiq_--'));
    expect(forged.status).toBe(303);
    expect((await page()).match(/aria-label="Revoke Only once"/g)).toHaveLength(1);
  });

  it('shows names as text only', async () => {
    const { html } = await create({ name: MARKUP, permissions: 'ViewImports' });
    expect(html).toContain('&lt;script&gt;');
    expect(html + (await page())).not.toContain('<script>');
  });
});
