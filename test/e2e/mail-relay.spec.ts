import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('where MAIL_RECIPIENT_DOMAINS is set', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp({ MAIL_RECIPIENT_DOMAINS: 'example.org, *.example.com' });
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });
  afterAll(() => test.close());

  const refusal = {
    status: 400,
    body: { code: 'invalid_parameter', errors: [{ parameter: 'sendFailureEmailTo' }] },
  };

  it.each(['victim@evil.example', 'victim@example.org.evil.example', 'root@localhost'])(
    'neither a batch nor an upload can name %s',
    async (sendFailureEmailTo) => {
      const query = { importProcessId, sendFailureEmailTo };
      expect(await client.createBatch('{}\n', query)).toMatchObject(refusal);
      expect(await client.upload(':UniqueId\nA\n', { ...query, fileName: 'a.csv' })).toMatchObject(refusal);
    },
  );

  it.each(['ada@example.org', 'ada@MAIL.example.com'])('a batch can name %s', async (sendFailureEmailTo) => {
    const { status } = await client.createBatch('{}\n', { importProcessId, sendFailureEmailTo });
    expect(status).toBe(202);
  });

  it('an address with quotes is refused wherever it is', async () => {
    const query = { importProcessId, sendFailureEmailTo: '"victim@evil.example"@example.org' };
    expect(await client.createBatch('{}\n', query)).toMatchObject(refusal);
  });
});
