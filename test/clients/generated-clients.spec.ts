import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

/** A folder of its own: the generators are no dependencies of the project. */
const FOLDER = join(__dirname, '../../.cache/clients');
const PACKAGES = [
  'openapi-fetch@0.17.0',
  'openapi-typescript@7.13.0',
  '@hey-api/openapi-ts@0.99.0',
  'orval@8.38.0',
  'esbuild@0.28.2',
  'typescript@5.9.3',
  '@types/node@22',
];
const INSTALLS_WITHIN_MS = 300_000;

/** What each program does: the main call, the end of the batch, its results, and a refusal. */
const INPUTS = `
const { URL: baseUrl = '', KEY: key = '', ROWS: rows = '' } = process.env;
// The id or the key of the import process.
const importProcessId = String(process.env.PROCESS);
const ENDS = ['completed', 'completed_with_errors', 'failed', 'canceled'];
const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
`;

const PROGRAMS: Record<string, string> = {
  'openapi-fetch': `
import createClient from 'openapi-fetch';
import type { paths } from './openapi-fetch-schema.js';
${INPUTS}
const client = createClient<paths>({ baseUrl, headers: { Authorization: \`Bearer \${key}\` } });
// openapi-fetch turns every body into JSON, unless it is told to send it as it is.
const asText = { headers: { 'Content-Type': 'text/plain' }, bodySerializer: (body: string) => body };
const created = await client.POST('/API/WorkflowImportQueue/CreateBatch', {
  params: { query: { fileName: 'generated.jsonl', importProcessId } }, body: rows, ...asText,
});
if (created.data === undefined) throw new Error(JSON.stringify(created.error));
const path = { id: created.data.WORKFLOW_IMPORT_QUEUE_BATCH_ID };
let batch = await client.GET('/API/WorkflowImportQueue/Batches/{id}', { params: { path } });
while (!ENDS.includes(batch.data?.status ?? '')) {
  await pause();
  batch = await client.GET('/API/WorkflowImportQueue/Batches/{id}', { params: { path } });
}
const results = await client.GET('/API/WorkflowImportQueue/Batches/{id}/Results', {
  params: { path, query: { set: 'failed' } }, parseAs: 'text',
});
const refused = await client.POST('/API/WorkflowImportQueue/CreateBatch', {
  params: { query: { fileName: 'bad.jsonl', importProcessId } }, body: '{', ...asText,
});
const lines = results.data?.trim().split('\\n').map((line) => JSON.parse(line).line);
console.log(JSON.stringify({ counts: batch.data?.recordCounts, lines, code: refused.error?.code }));
`,
  'hey-api': `
import { client } from './hey-api/client.gen';
import { createBatch, downloadResults, getBatch } from './hey-api/sdk.gen';
${INPUTS}
client.setConfig({ baseUrl, auth: () => key });
const created = await createBatch({ query: { fileName: 'generated.jsonl', importProcessId }, body: rows });
if (created.data === undefined) throw new Error(JSON.stringify(created.error));
const path = { id: created.data.WORKFLOW_IMPORT_QUEUE_BATCH_ID };
let batch = await getBatch({ path });
while (!ENDS.includes(batch.data?.status ?? '')) {
  await pause();
  batch = await getBatch({ path });
}
// Its own guess takes application/jsonl for JSON.
const results = await downloadResults({ path, query: { set: 'failed' }, parseAs: 'text' });
const refused = await createBatch({ query: { fileName: 'bad.jsonl', importProcessId }, body: '{' });
const lines = String(results.data).trim().split('\\n').map((line) => JSON.parse(line).line);
console.log(JSON.stringify({ counts: batch.data?.recordCounts, lines, code: refused.error?.code }));
`,
  orval: `
import { createBatch, downloadResults, getBatch } from './orval';
${INPUTS}
const options = { headers: { Authorization: \`Bearer \${key}\` } };
const created = await createBatch(rows, { fileName: 'generated.jsonl', importProcessId }, options);
if (created.status !== 202) throw new Error(JSON.stringify(created.data));
const id = created.data.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
let batch = await getBatch(id, options);
while (batch.status === 200 && !ENDS.includes(batch.data.status)) {
  await pause();
  batch = await getBatch(id, options);
}
// It takes every media type with "json" in its name for JSON, so it gets the rows as CSV.
const results = await downloadResults(id, { set: 'failed', format: 'csv' }, options);
const refused = await createBatch('{', { fileName: 'bad.jsonl', importProcessId }, options);
const [header = [], ...cells] = String(results.data).trim().split(/\\r?\\n/).map((row) => row.split(','));
const lines = cells.map((row) => Number(row[header.indexOf('_line')]));
const counts = batch.status === 200 ? batch.data.recordCounts : null;
console.log(JSON.stringify({ counts, lines, code: refused.status === 400 ? refused.data.code : null }));
`,
};

describe('clients that are generated from our document', () => {
  let app: TestApp;
  let environment: NodeJS.ProcessEnv;

  const run = async (program: string, args: string[], env: NodeJS.ProcessEnv = process.env) =>
    (await promisify(execFile)(program, args, { cwd: FOLDER, env })).stdout;
  const tool = (name: string, ...args: string[]) => run(join(FOLDER, 'node_modules/.bin', name), args);

  beforeAll(async () => {
    app = await startTestApp();
    const rows = jsonl([member(1), member(2), member(3, { Level: 'Unknown' }), member(4, { Level: 'None' })]);
    const importProcessId = await new ImportClient(app.url).setUp();
    environment = {
      ...{ PATH: process.env.PATH, URL: app.url, KEY: TEST_API_KEY },
      ...{ PROCESS: String(importProcessId), ROWS: rows },
    };
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(join(FOLDER, 'package.json'), '{ "private": true, "type": "module" }\n');
    const document = await (await fetch(`${app.url}/docs/openapi.json`)).text();
    writeFileSync(join(FOLDER, 'openapi.json'), document);
    await run('npm', ['install', '--no-audit', '--no-fund', '--no-save', ...PACKAGES]);
    await tool('openapi-typescript', 'openapi.json', '-o', 'openapi-fetch-schema.ts');
    await tool('openapi-ts', '-i', 'openapi.json', '-o', 'hey-api');
    const orval = {
      api: { input: './openapi.json', output: { target: './orval.ts', client: 'fetch', baseUrl: app.url } },
    };
    writeFileSync(join(FOLDER, 'orval.config.js'), `export default ${JSON.stringify(orval)};\n`);
    await tool('orval', '--config', 'orval.config.js');
  }, INSTALLS_WITHIN_MS);

  afterAll(() => app?.close());

  it.each(Object.keys(PROGRAMS))(
    '%s compiles, and reads batches, results and refusals',
    async (name) => {
      const file = `${name}-program.ts`;
      writeFileSync(join(FOLDER, file), PROGRAMS[name]!);
      const strict = [
        '--strict',
        '--noEmit',
        '--skipLibCheck',
        '--types',
        'node',
        '--lib',
        'es2023,dom,dom.iterable',
      ];
      await tool(
        'tsc',
        ...strict,
        '--target',
        'es2023',
        '--module',
        'esnext',
        '--moduleResolution',
        'bundler',
        file,
      );
      await tool(
        'esbuild',
        file,
        '--bundle',
        '--platform=node',
        '--format=esm',
        `--outfile=${name}.mjs`,
        '--log-level=error',
      );
      const answers = JSON.parse(await run(process.execPath, [`${name}.mjs`], environment));
      expect(answers).toEqual({
        counts: expect.objectContaining({ total: 4, succeeded: 2, invalid: 2 }),
        lines: [3, 4],
        code: 'malformed_json_lines',
      });
    },
    INSTALLS_WITHIN_MS,
  );
});
