import { getQueueToken } from '@nestjs/bull';
import type { Queue } from 'bull';
import { CHUNK_QUEUE } from '../../src/platform/queue/queues.js';
import { Site } from '../support/browser/site.js';
import { writeFileSync } from 'node:fs';

describe('x', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site?.close());
  it('y', async () => {
    const queue = (site as any).app.app.get(getQueueToken(CHUNK_QUEUE), { strict: false }) as Queue;
    await queue.add({ batchId: 1, chunkNumber: 1 }, { delay: 3600_000 });
    const { page } = await site.administrator();
    await page.goto('/queues/queue/import-chunks?status=delayed');
    await page.locator('[class*=trigger-]').first().waitFor();
    await page.waitForTimeout(1500);
    await page.locator('[class*=trigger-GNtOnV]').first().click();
    await page.waitForTimeout(800);
    writeFileSync('/tmp/ops-bb.html', await page.content());
    await page.screenshot({ path: '/tmp/ops-bb.png' });
  });
});
