import { DatabaseService } from '../../src/platform/database/database.service.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp } from '../support/test-app.js';

describe('the application', () => {
  it('answers an unknown route with 404', async () => {
    const { url, close } = await startTestApp();
    try {
      const response = await fetch(`${url}/no-such-route`);
      expect(response.status).toBe(404);
    } finally {
      await close();
    }
  });

  /**
   * `test/ha/replica.spec.ts` has a replica. Break it: in `ReadReplica.catchesUp`, let the error pass.
   */
  it.each([
    ['is away', 'postgres://nobody@127.0.0.1:1/nowhere'],
    ['is a primary', process.env.DATABASE_URL!],
  ])('reads from the primary while the server of DATABASE_READ_URL %s', async (_, DATABASE_READ_URL) => {
    const { app, url, close } = await startTestApp({ DATABASE_READ_URL });
    try {
      const client = new ImportClient(url);
      const { body } = await client.createBatch(jsonl([member(1)]), {
        importProcessId: await client.setUp(),
      });
      const { status } = await client.get(
        `/API/WorkflowImportQueue/Batches/${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`,
      );
      expect(status).toBe(200);
      const { replica, primary } = app.get(DatabaseService).replica.answered ?? {};
      expect(replica).toBe(0);
      expect(primary).toBeGreaterThan(0);
    } finally {
      await close();
    }
  });
});
