import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '../../dev/quickstart/api-client.js';
import {
  ensureImportProcess,
  ensureWorkflow,
  type Example,
  exampleFile,
  importFile,
  MEMBER_ROLES,
  OTHER_EXAMPLES,
  showExamples,
} from '../../dev/quickstart/demo.js';
import { ImportClient } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const ROOT = fileURLToPath(new URL('../../examples', import.meta.url));
const EXAMPLES = [MEMBER_ROLES, ...OTHER_EXAMPLES];

/** What the README says of each import: `data.jsonl` ends with: 1000 total, 965 created. */
async function promised(example: Example): Promise<Record<string, Record<string, number>>> {
  const readme = await readFile(exampleFile(example, 'README.md'), 'utf8');
  const counts: Record<string, Record<string, number>> = {};
  for (const [, file, text] of readme.matchAll(/^`(\S+\.jsonl)` ends with: (.+)\.$/gm)) {
    const pairs = text!.split(', ').map((part) => part.split(' ') as [string, string]);
    counts[file!] = Object.fromEntries(pairs.map(([count, name]) => [name, Number(count)]));
  }
  return counts;
}

describe('the examples', () => {
  let app: TestApp;
  let client: ApiClient;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ApiClient(app.url, TEST_API_KEY);
  });
  afterAll(() => app.close());

  it('are all files of the folder', async () => {
    const folders = (await readdir(ROOT)).filter((name) => !name.includes('.'));
    expect(folders.sort()).toEqual(EXAMPLES.map(({ folder }) => folder).sort());
  });

  it.each(EXAMPLES)('$folder has the results that its README states', async (example) => {
    const counts = await promised(example);
    expect(Object.keys(counts)).toEqual(example.imports.map(({ data }) => data));
    await ensureWorkflow(client, example);
    for (const each of example.imports) {
      const id = await ensureImportProcess(client, example, each);
      const { recordCounts, operations } = await importFile(client, example, each, id);
      const seen = { ...recordCounts, ...operations };
      expect({ file: each.data, ...seen }).toMatchObject({ file: each.data, ...counts[each.data] });
    }
  });

  it('applications are found by id or by member and name, scored, decided and never opened', async () => {
    const reader = new ImportClient(app.url);
    const at = (query: string) =>
      reader.get(`/API/Workflows/fellowship-application/Instances?limit=200&${query}`);
    const all = (await at('')).body.items;
    expect(all).toHaveLength(180);
    expect((await at('status=completed_successfully')).body.items).toHaveLength(87);
    expect((await at('attribute=Decision:Declined')).body.items).toHaveLength(33);
    expect((await at('identifier=:Email:MEMBER0002@example.org')).body.items).toHaveLength(2);
  });

  it('are imported by quickstart: the members at each start, the others once', async () => {
    const again = await showExamples(client);
    expect(again.others).toEqual([]);
    expect(again.batch.operations).toMatchObject({ created: 0 });
  });
});
