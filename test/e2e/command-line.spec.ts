import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { CommandHome } from '../support/command.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const PROCESS = 'Members of the club';
/** The port of TCP multiplexers, which no one runs. Fetch refuses to connect to some ports, but not to this one. */
const NOWHERE = 'http://127.0.0.1:2';

describe('the command line', () => {
  let app: TestApp;
  let api: ImportClient;
  let home: CommandHome;
  let importProcessId: number;
  let environment: Record<string, string>;

  beforeAll(async () => {
    app = await startTestApp();
    api = new ImportClient(app.url);
    importProcessId = await api.setUp(undefined, {}, { name: PROCESS });
    environment = { IMPORT_QUEUE_URL: app.url, IMPORT_QUEUE_KEY: TEST_API_KEY };
  });

  afterAll(() => app?.close());

  beforeEach(() => {
    home = new CommandHome();
  });

  afterEach(() => home.remove());

  const rows = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, n) =>
      member(n, { ':UniqueId': `${prefix}-${n}`, ':Email': `${prefix}${n}@example.org` }),
    );
  const csv = (count: number, prefix: string) =>
    [
      ':UniqueId,:Email,First Name,Level',
      ...Array.from(
        { length: count },
        (_, n) => `${prefix}-${n},${prefix}${n}@example.org,First ${n},Fellow`,
      ),
    ].join('\n') + '\n';

  const file = (name: string, content: string) => {
    writeFileSync(home.path(name), content);
    return home.path(name);
  };

  /** A finished run. */
  const run = async (args: string[], options: Parameters<CommandHome['run']>[1] = {}) => {
    const command = home.run(args, { environment, ...options });
    const code = await command.exitCode();
    return { code, stdout: command.stdout, stderr: command.stderr };
  };
  const push = (args: string[], options = {}) => run(['push', ...args, '--process', PROCESS], options);
  const named = async (fileName: string) =>
    (await api.get(`/API/WorkflowImportQueue/Batches?q=${fileName}`)).body.items;

  it('pushes JSON Lines, waits for the end and prints plain lines', async () => {
    const { code, stdout, stderr } = await push([file('plain.jsonl', jsonl(rows(1200, 'plain'))), '--wait']);
    expect(stderr).toMatch(/^Sent plain\.jsonl as batch \d+: 1,200 records\.$/m);
    expect(stderr).not.toContain('█');
    expect(stdout).toMatch(
      /^Batch \d+ completed: 1,200 succeeded\.\nhttps:\/\/imports\.example\.org\/imports\/\d+\n$/,
    );
    expect(code).toBe(0);
    expect((await named('plain.jsonl'))[0]).toMatchObject({ creationPath: 'IMPORT_QUEUE_API:CLI' });
  });

  it('draws a bar on a terminal', async () => {
    const { code, stdout } = await push([file('bar.jsonl', jsonl(rows(3000, 'bar'))), '--wait'], {
      terminal: true,
    });
    expect(stdout).toMatch(/[█░]{24} +\d+ % {2}Sending bar\.jsonl/);
    expect(stdout).toMatch(/[█░]{24} +\d+ % {2}Batch \d+ is (queued|in progress), [\d,]+ of 3,000 records/);
    expect(code).toBe(0);
  });

  it('exits 2 if records failed, and writes them to a file that can be corrected and sent', async () => {
    const content = jsonl([...rows(2, 'some'), member(3, { Level: 'Unknown' })]);
    const failed = home.path('failed.csv');
    const { code, stdout } = await push([file('some.jsonl', content), '--failed-rows', failed]);
    expect(stdout).toContain('completed with errors: 2 succeeded, 1 invalid.');
    expect(code).toBe(2);
    expect(readFileSync(failed, 'utf8')).toMatch(/Level.*_error,_batch\r?\n.*Unknown.*\r?\n$/s);
    const lines = home.path('failed.jsonl');
    await push([file('again.jsonl', content), '--failed-rows', lines]);
    expect(readFileSync(lines, 'utf8')).toBe(jsonl([member(3, { Level: 'Unknown' })]));
  });

  it('exits 3 for an import that was canceled', async () => {
    const uploaded = await run([
      'upload',
      file('given-up.csv', csv(1, 'gu')),
      '--process',
      PROCESS,
      '--json',
    ]);
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = JSON.parse(uploaded.stdout);
    await api.post(`/API/WorkflowImportQueue/Batches/${id}/Abandon`);
    expect(await run(['status', String(id)])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('was canceled'),
    });
  });

  it.each([
    ['a body that is not JSON Lines', [], 'line 1:1', { input: 'not json' }],
    ['a wrong key', [], 'unknown', { input: '{}', environment: { IMPORT_QUEUE_KEY: 'wrong' } }],
    ['an import process that does not exist', ['--process', 'Nobody'], PROCESS, { input: '{}' }],
  ])('exits 4 for %s', async (_what, more: string[], message, { input, environment: own = {} }: any) => {
    const { code, stderr, stdout } = await run(['push', '-', '--process', PROCESS, ...more], {
      input,
      environment: { ...environment, ...own },
    });
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('exits 5 if nothing answers', async () => {
    const nowhere = { ...environment, IMPORT_QUEUE_URL: NOWHERE };
    const { code, stderr } = await run(['status', '1', '--retries', '0'], { environment: nowhere });
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: expect.stringContaining(`${NOWHERE} cannot be reached: connect ECONNREFUSED`),
    });
  });

  it('exits 6 for a table that awaits confirmation, with its summary; confirm processes it', async () => {
    const content = `${csv(2, 'table')}table-9,nobody,First,Fellow\n`;
    const { code, stdout } = await push([file('table.csv', content)]);
    expect(stdout).toMatch(/awaits confirmation/);
    expect(stdout).toContain('2 valid and 1 invalid rows');
    expect(stdout).toContain('would create 2');
    expect(code).toBe(6);
    const [{ WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }] = await named('table.csv');
    expect((await run(['preview', String(id)])).stdout).toMatch(/^line 2 {2}created {2}.*table-0/m);
    expect(await run(['confirm', String(id), '--wait'])).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('2 succeeded, 1 invalid'),
    });
  });

  it('checks JSON Lines with --validate, and processes nothing', async () => {
    const content = jsonl([...rows(2, 'check'), member(3, { Level: 'Unknown' })]);
    const { code, stdout } = await push([file('check.jsonl', content), '--validate']);
    expect(stdout).toContain('was checked; nothing was processed');
    expect(stdout).toContain('2 valid and 1 invalid rows');
    expect(code).toBe(2);
    expect(await push([file('good.jsonl', jsonl(rows(1, 'good'))), '--validate'])).toMatchObject({ code: 0 });
  });

  it('confirms a table with --yes', async () => {
    const path = file('yes.csv', csv(3, 'yes'));
    expect(await push([path, '--yes', '--wait'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('completed: 3 succeeded'),
    });
  });

  it.each([
    ['no import process', ['push', '-']],
    ['an unknown option', ['push', '-', '--process', '1', '--wiat']],
    ['an unknown command', ['psuh']],
    ['a file that does not exist', ['push', 'nothing.jsonl', '--process', '1']],
    ['a file of an unknown kind', ['push', 'package.yaml', '--process', '1']],
    ['failed rows of an unknown kind', ['push', '-', '--process', '1', '--failed-rows', 'failed.txt']],
    ['a compressed table', ['push', 'table.csv', '--process', '1', '--gzip']],
    ['an id that is not a number', ['status', 'seventeen']],
  ])('exits 64 for %s', async (_what, args) => {
    file('table.csv', '');
    const { code, stdout, stderr } = await run(
      args.map((arg) => (arg === 'table.csv' ? home.path(arg) : arg)),
    );
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).not.toBe('');
  });

  it('reads standard input and prints JSON for programs', async () => {
    const input = jsonl(rows(5, 'stdin'));
    const { code, stdout, stderr } = await push(['-', '--wait', '--json', '--file-name', 'from-stdin'], {
      input,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      fileName: 'from-stdin',
      status: 'completed',
      recordCounts: { total: 5, succeeded: 5 },
    });
    const refused = await push(['-', '--json'], { input: '[]' });
    expect(JSON.parse(refused.stderr)).toMatchObject({ code: 'malformed_json_lines' });
  });

  it('compresses JSON Lines with --gzip', async () => {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      request
        .resume()
        .on('end', () =>
          response
            .writeHead(403, { 'Content-Type': 'application/problem+json' })
            .end('{"code":"forbidden","detail":"No","status":403}'),
        );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const path = file('zipped.jsonl', jsonl(rows(10, 'zip')));
      const args = ['push', path, '--process', '1', '--gzip'];
      expect((await run(args, { environment: { ...environment, IMPORT_QUEUE_URL: url } })).code).toBe(4);
      expect(seen[0]).toMatchObject({ 'content-encoding': 'gzip', authorization: `Bearer ${TEST_API_KEY}` });
      expect(await push([path, '--gzip', '--wait'])).toMatchObject({ code: 0 });
    } finally {
      server.close();
    }
  });

  it('goes on with the same batch if a run that was killed is repeated', async () => {
    const args = ['push', file('killed.jsonl', jsonl(rows(2000, 'kill'))), '--process', PROCESS, '--wait'];
    args.push('--idempotency-key', 'auto');
    const killed = home.run(args, { environment });
    await killed.prints('Sent killed.jsonl');
    await killed.kill();
    expect(await run(args)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('completed: 2,000 succeeded'),
    });
    expect((await named('killed.jsonl')).map(({ recordCounts }: any) => recordCounts.total)).toEqual([2000]);
  });

  it('makes one batch if the answer was lost, and the run is repeated', async () => {
    const proxy = await startTcpProxy(app.url);
    try {
      const args = ['push', file('lost.jsonl', jsonl(rows(3, 'lost'))), '--process', PROCESS];
      args.push('--idempotency-key', 'auto', '--retries', '0');
      void proxy.cutAfterNext('POST /API');
      const through = { ...environment, IMPORT_QUEUE_URL: proxy.url };
      expect((await run(args, { environment: through })).code).toBe(5);
      expect((await run(args)).code).toBe(0);
      expect((await named('lost.jsonl')).length).toBe(1);
    } finally {
      await proxy.close();
    }
  });

  it('goes on with the same upload if a run that was killed is repeated', async () => {
    const args = ['push', file('killed.csv', csv(500, 'killcsv')), '--process', PROCESS, '--yes', '--wait'];
    args.push('--idempotency-key', 'auto');
    const killed = home.run(args, { environment });
    await killed.prints('Uploaded killed.csv');
    await killed.kill();
    for (let runs = 0; runs < 2; runs += 1) {
      expect(await run(args)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('completed: 500 succeeded'),
      });
    }
    expect((await named('killed.csv')).length).toBe(1);
    // Other content is another import.
    file('killed.csv', csv(1, 'killcsv'));
    expect((await run(args)).stdout).toContain('completed: 1 succeeded');
  });

  it('ends at once when it is interrupted, and says how to go on', async () => {
    const { body } = await api.upload(csv(1, 'int'), { importProcessId, fileName: 'interrupted.csv' });
    const tail = home.run(['tail', String(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)], { environment });
    await tail.prints('awaits confirmation');
    await tail.kill('SIGINT');
    expect(await tail.exitCode()).toBe(130);
  });

  it('takes the address and the key from a profile that only its owner can read', async () => {
    mkdirSync(home.path('.config/import-queue'), { recursive: true });
    const profile = file(
      '.config/import-queue/profile.json',
      JSON.stringify({
        default: { url: NOWHERE, key: 'none' },
        club: { url: app.url, key: TEST_API_KEY },
      }),
    );
    chmodSync(profile, 0o644);
    const refused = await run(['processes', '--profile', 'club'], { environment: {} });
    expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining(`chmod 600 ${profile}`) });
    chmodSync(profile, 0o600);
    // A named profile outranks the environment.
    const other = { IMPORT_QUEUE_URL: NOWHERE, IMPORT_QUEUE_KEY: 'none' };
    expect(await run(['processes', '--profile', 'club'], { environment: other })).toMatchObject({
      code: 0,
      stdout: `${importProcessId}  members-of-the-club  ${PROCESS}\n`,
    });
    expect((await run(['processes', '--retries', '0'], { environment: {} })).code).toBe(5);
    expect((await run(['processes', '--profile', 'x'], { environment: {} })).stderr).toContain(
      'default, club',
    );
  });

  it('takes back what an import changed', async () => {
    await push([file('undone.jsonl', jsonl(rows(2, 'undone'))), '--wait']);
    const [{ WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }] = await named('undone.jsonl');
    const { code, stdout } = await run(['undo', String(id), '--wait', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      undoOf: id,
      status: 'completed',
      recordCounts: { succeeded: 2 },
    });
  });

  it('lists, downloads, retries and cancels imports, and manages keys', async () => {
    await push([file('many.jsonl', jsonl([...rows(1, 'many'), member(2, { Level: 'No' })])), '--wait']);
    const [{ WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }] = await named('many.jsonl');
    expect((await run(['list', '--q', 'many.jsonl', '--process', PROCESS])).stdout).toMatch(
      new RegExp(`^ID +STATUS.*\\n${id} +completed_with_errors +2 +1 .*many.jsonl`),
    );
    const results = await run(['results', String(id), '--set', 'failed']);
    expect(JSON.parse(results.stdout)).toMatchObject({ line: 2, status: 'invalid' });
    expect(
      await run(['results', String(id), '--output', home.path('all.csv'), '--format', 'csv']),
    ).toMatchObject({ code: 0 });
    expect(readFileSync(home.path('all.csv'), 'utf8').trim().split('\n').length).toBe(3);
    expect(await run(['retry', String(id), '--wait'])).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('1 invalid'),
    });
    expect((await run(['cancel', String(id)])).stderr).toContain('[state_conflict]');

    const created = await run([
      'keys',
      'create',
      'Nightly',
      '--permission',
      'BeginWorkflowImportProcess',
      '--process',
      PROCESS,
    ]);
    expect(created.stdout).toMatch(/^wiq_\S+\n$/);
    const listed = /^(\d+) {2}Nightly {2}BeginWorkflowImportProcess/m.exec(
      (await run(['keys', 'list'])).stdout,
    )!;
    expect((await run(['keys', 'revoke', listed[1]!])).code).toBe(0);
    const revoked = { ...environment, IMPORT_QUEUE_KEY: created.stdout.trim() };
    expect((await run(['processes'], { environment: revoked })).code).toBe(4);
  });
});
