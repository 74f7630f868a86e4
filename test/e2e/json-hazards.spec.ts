import { corpus } from '../support/corpora.js';
import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** A byte order mark at the very start is tolerated and not part of the line. */
const asStored = (line: Buffer) =>
  line
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .replace(/\r$/, '');

interface Hazard {
  name: string;
  base64line: string;
  expect: 'accept' | 'reject' | 'either' | 'either-no-500';
}

/** nst/JSONTestSuite; test/fixtures/corpora/MANIFEST.md explains the verdicts. */
describe('third-party JSON hazards, each as a body of its own', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;
  let hazards: Hazard[];

  beforeAll(async () => {
    hazards = JSON.parse(corpus('json/jsonl-hazards.json').toString()) as Hazard[];
    test = await startTestApp();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });

  afterAll(() => test.close());

  /** `stored`: in the records as sent; `refused`: 400 that names line 1. Anything else fails. */
  const verdictOn = async (line: Buffer): Promise<{ verdict: 'stored' | 'refused'; record?: string }> => {
    const answer = await client.createBatch(new Uint8Array(line), { importProcessId });
    if (answer.status === 400) {
      const { code, errors } = answer.body;
      if (code === 'empty_body') return { verdict: 'refused' };
      expect(code).toBe('malformed_json_lines');
      expect(errors[0]).toMatchObject({ line: 1, column: expect.any(Number), code: expect.any(String) });
      return { verdict: 'refused' };
    }
    expect(answer.status).toBe(202);
    const batch = await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(batch.status).toBe('completed_with_errors');
    const response = await fetch(`${test.url}${batch.links.records}`, {
      headers: { authorization: `apikey ${test.config.bootstrapApiKey}` },
    });
    expect(response.status).toBe(200);
    return { verdict: 'stored', record: await response.text() };
  };

  it('are stored exactly as sent or refused with the line, as the manifest says, and never answered with 500', async () => {
    const wrong: string[] = [];
    for (const { name, base64line, expect: expected } of hazards) {
      const line = Buffer.from(base64line, 'base64');
      const { verdict, record } = await verdictOn(line);
      if (verdict === 'stored' && !record!.includes(asStored(line))) wrong.push(`${name}: altered`);
      if (expected === 'accept' && verdict !== 'stored') wrong.push(`${name}: should be stored`);
      if (expected === 'reject' && verdict !== 'refused') wrong.push(`${name}: should be refused`);
    }
    expect(hazards.length).toBeGreaterThan(300);
    expect(wrong).toEqual([]);
  }, 180_000);

  it('in one body are refused together, and every line that must be refused is named', async () => {
    const body = corpus('json/hazard-lines.jsonl');
    const expected = JSON.parse(corpus('json/hazard-lines.expected.json').toString()) as {
      line: number;
      expect: string;
    }[];
    const answer = await client.createBatch(new Uint8Array(body), { importProcessId });
    expect(answer).toMatchObject({ status: 400, body: { code: 'malformed_json_lines' } });
    const mustRefuse = expected.filter((line) => line.expect === 'reject').map(({ line }) => line);
    const mustAccept = new Set(expected.filter((line) => line.expect === 'accept').map(({ line }) => line));
    const named: number[] = answer.body.errors.map(({ line }: { line: number }) => line);
    expect(named).toHaveLength(100);
    expect(named.filter((line) => mustAccept.has(line))).toEqual([]);
    expect(mustRefuse.filter((line) => line <= named.at(-1)! && !named.includes(line))).toEqual([]);
    expect(answer.body.errorCount).toBeGreaterThanOrEqual(mustRefuse.length);
  });
});
