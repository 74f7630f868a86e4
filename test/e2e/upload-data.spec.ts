import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { corpus } from '../support/corpora.js';
import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** A workflow with the columns of a file, found by one of them. */
function workflowOf(name: string, header: readonly string[]): WorkflowDefinition {
  const inputs = header.filter((column) => !column.startsWith(':'));
  return {
    name,
    title: name,
    entityType: 'Thing',
    identifiers: [{ name: ':Key', unique: true }],
    attributes: inputs.map((input) => ({ name: input, type: 'LongText' })),
    steps: [
      {
        name: 'Import',
        kind: 'dataImport',
        actions: [{ id: 1, name: 'Keep', inputs, primary: { kind: 'save' } }],
      },
    ],
  };
}

describe('real data sets, uploaded as CSV', () => {
  let test: TestApp;
  let client: ImportClient;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_WINDOW: '8' });
    client = new ImportClient(test.url);
  });

  afterAll(() => test.close());

  it.each([
    ['world-cities.csv.gz', 'geonameid', 34_032],
    ['marvel-characters.csv.gz', 'page_id', 16_376],
    ['register-people-20k.csv.gz', 'key_uuid', 20_000],
    ['oulad-assessments.csv', 'id_assessment', 206],
  ])(
    '%s: every row is valid and becomes one instance',
    async (file, key, rows) => {
      const bytes = corpus(`data/${file}`);
      const header = bytes.toString('utf8', 0, bytes.indexOf(0x0a)).trim().replaceAll('"', '').split(',');
      const name = file.split('.')[0]!;
      const importProcessId = await client.setUp(
        workflowOf(
          name,
          header.map((column) => (column === key ? ':Key' : column)),
        ),
      );
      const answer = await client.upload(
        new Uint8Array(bytes),
        { importProcessId, fileName: file },
        { mapping: JSON.stringify({ [key]: ':Key' }) },
      );
      expect(answer).toMatchObject({
        status: 202,
        body: {
          recordCounts: { total: rows, invalid: 0 },
          summary: { columns: { unknown: [], missing: [] } },
        },
      });
      expect(await client.post(`${answer.body.links.self}/Confirm`)).toMatchObject({ status: 202 });
      expect(await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 120_000)).toMatchObject({
        status: 'completed',
        recordCounts: { total: rows, succeeded: rows },
        operations: { created: rows },
      });
    },
    180_000,
  );
});
