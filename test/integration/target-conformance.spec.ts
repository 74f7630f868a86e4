import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { DatabaseService } from '../../src/platform/database/database.service.js';
import type { RecordTarget } from '../../src/records/target.js';
import { WorkflowTarget } from '../../src/targets/workflow/workflow.target.js';
import { WorkflowDefinitionsService } from '../../src/workflows/definition/workflow-definitions.service.js';
import { WebhookClient } from '../../src/delivery/webhook-client.js';
import { SecretBox } from '../../src/platform/secret-box.js';
import { SharedLimits } from '../../src/platform/shared-limits.js';
import { HttpTarget } from '../../src/targets/http/http.target.js';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import { TableConnections } from '../../src/targets/table/connections.js';
import { TableTarget } from '../../src/targets/table/table.target.js';
import { describeTarget } from '../conformance/record-target.js';
import { createEmptyDatabase } from '../support/test-database.js';
import { EffectsTarget } from '../support/effects-target.js';
import { MEMBERSHIP } from '../support/workflow-fixture.js';

const ROOT = resolve(import.meta.dirname, '../..');

const counter = (database: DatabaseService, table: string) => async () => {
  const { rows } = await database.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${table}`);
  return rows[0]?.count ?? 0;
};

describeTarget('the target of workflows', async (database) => {
  const workflows = new WorkflowDefinitionsService(database);
  await workflows.create(MEMBERSHIP, 'test');
  const configuration = {
    kind: 'workflow',
    workflow: 'membership',
    step: 'Import',
    action: 'Save',
    onNoMatch: 'create',
    onMatch: 'update',
  };
  return {
    target: new WorkflowTarget(workflows),
    configuration,
    unusable: { ...configuration, workflow: 'memberhsip', onMatch: 'overwrite' },
    rows: [
      { ':UniqueId': '1', Name: 'Ada' },
      { ':UniqueId': '2', ':Email': 'bob@example.org', Hours: 7 },
    ],
    invalid: { ':UniqueId': '3', Hours: 'many' },
    failing: { ':UniqueId': '1', ':Email': 'bob@example.org' },
    effects: counter(database, 'workflow_log'),
  };
});

const CONTACT = `
  CREATE SCHEMA crm;
  CREATE TABLE crm.contact (
    contact_id serial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    nickname text UNIQUE,
    age integer CHECK (age >= 0)
  )`;

/** The same table in our own database, whose transaction the chunk shares, and in another one. */
for (const connection of ['main', 'crm']) {
  describe('a table target', () => {
    const there: { url: string; drop(): Promise<void> }[] = [];
    const stops: (() => Promise<void>)[] = [];
    afterAll(async () => {
      for (const stop of stops) await stop();
      for (const each of there) await each.drop();
    });

    describeTarget(`for a table of the connection "${connection}"`, async (database) => {
      const other = await createEmptyDatabase();
      there.push(other);
      const client = new Client({ connectionString: other.url });
      await client.connect();
      stops.push(() => client.end());
      const sql: Pick<DatabaseService, 'query'> = connection === 'main' ? database : client;
      await sql.query(CONTACT);
      const config = loadConfig({
        TARGET_MAIN_SCHEMAS: 'crm',
        TARGET_CRM_URL: other.url,
        TARGET_CRM_SCHEMAS: 'crm',
      });
      const connections = new TableConnections(config, database);
      stops.unshift(() => connections.onModuleDestroy());
      const configuration = {
        kind: 'table',
        connection,
        schema: 'crm',
        table: 'contact',
        key: ['email'],
        columns: { 'E-mail': 'email', Name: 'name', Nickname: 'nickname', Age: 'age' },
        onMatch: 'update',
        onNoMatch: 'create',
      };
      return {
        target: new TableTarget(database, connections),
        configuration,
        unusable: { ...configuration, key: ['name'], columns: { 'E-mail': 'mail' }, onMatch: 'overwrite' },
        rows: [
          { 'E-mail': 'ada@example.org', Name: 'Ada', Nickname: 'countess' },
          { 'E-mail': 'bob@example.org', Name: 'Bob', Age: 7 },
        ],
        invalid: { 'E-mail': 'eve@example.org', Name: 'Eve', Age: -1 },
        failing: { 'E-mail': 'eve@example.org', Name: 'Eve', Nickname: 'countess' },
        effects: async () => {
          const { rows } = await sql.query<{ count: number }>(
            'SELECT count(*)::integer AS count FROM crm.contact',
          );
          return rows[0]?.count ?? 0;
        },
        commitsElsewhere: connection !== 'main',
      };
    });
  });
}

describe('an http target', () => {
  const server = createServer();
  const received = new Map<string, string>();
  const closing: (() => void)[] = [];
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    for (const close of closing) close();
  });

  describeTarget('for a receiver that knows keys', async (database) => {
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts).toString();
        const isBad = body.includes('bad');
        // Another chunk of the suite has other lines under other keys, with the same content.
        if (!isBad) received.set(body, String(request.headers['idempotency-key']));
        response.writeHead(isBad ? 422 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const config = loadConfig({ ALLOW_PRIVATE_TARGETS: 'true', REDIS_URL: process.env.REDIS_URL });
    const limits = new SharedLimits(config);
    const client = new WebhookClient(config, new SecretBox());
    closing.push(() => {
      limits.onModuleDestroy();
      limits.beforeApplicationShutdown();
      client.onApplicationShutdown();
    });
    const configuration = {
      kind: 'http',
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    };
    return {
      target: new HttpTarget(database, client, new SecretBox(), limits),
      configuration,
      unusable: { ...configuration, url: 'file:///etc/passwd', concurrency: 0 },
      rows: [{ n: 1 }, { n: 2 }],
      failing: { n: 'bad' },
      effects: () => Promise.resolve(received.size),
      commitsElsewhere: true,
    };
  });
});

describeTarget('the target of the tests', async (database) => {
  await EffectsTarget.prepare(database);
  return {
    target: new EffectsTarget(),
    configuration: { kind: 'effects' },
    rows: [{ do: 'succeed' }, { do: 'succeed', number: 2 }],
    failing: { do: 'fail' },
    effects: counter(database, 'effect'),
  };
});

/** The first block of TypeScript of docs/targets.md, type-checked as it stands in the folder that the page names. */
async function exampleOfTheDocs(): Promise<RecordTarget> {
  const page = await readFile(join(ROOT, 'docs/targets.md'), 'utf8');
  const [, code = ''] = /```ts\n(.*?)```/s.exec(page) ?? [];
  const folder = join(ROOT, '.cache/docs-example');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'contacts.target.ts'), code.replaceAll(`'../../`, `'../../src/`));
  const project = {
    extends: '../../tsconfig.json',
    include: ['*.ts'],
    compilerOptions: { incremental: false, tsBuildInfoFile: null },
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project));
  await promisify(execFile)(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    folder,
  ]).catch(({ stdout }: { stdout: string }) => {
    throw new Error(stdout);
  });
  const { ContactsTarget } = (await import(join(folder, 'contacts.target.ts'))) as {
    ContactsTarget: new () => RecordTarget;
  };
  return new ContactsTarget();
}

describeTarget('the example of docs/targets.md', async (database) => {
  const page = await readFile(join(ROOT, 'docs/targets.md'), 'utf8');
  const [, table = ''] = /```sql\n(.*?)```/s.exec(page) ?? [];
  await database.query(table);
  return {
    target: await exampleOfTheDocs(),
    configuration: { kind: 'contacts', list: 'news' },
    unusable: { kind: 'contacts' },
    rows: [
      { email: 'ada@example.org', name: 'Ada' },
      { email: 'bob@example.org', name: 'Bob' },
    ],
    invalid: { email: 'ada@example.org' },
    effects: counter(database, 'contact'),
  };
});
