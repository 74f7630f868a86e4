import { Webhook } from 'standardwebhooks';
import { Site } from '../support/browser/site.js';
import { eventually } from '../support/eventually.js';
import { jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

describe('the pages of webhooks', () => {
  let site: Site;
  let receiver: WebhookReceiver;
  let importProcessId: number;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    site = await Site.open({ ALLOW_PRIVATE_TARGETS: 'true' });
    importProcessId = await site.client.setUp(undefined, {}, { name: 'Members' });
  });
  afterAll(async () => {
    await site?.close();
    await receiver?.stop();
  });
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  it('create an endpoint, show its secret once, test it, and send a failed webhook again', async () => {
    const { page } = await site.administrator();
    await page.goto('/imports');
    await page.getByRole('link', { name: 'Webhooks' }).click();
    await page.getByLabel('URL').fill('https://user:pw@example.org');
    await page.getByLabel('Description').fill('CRM');
    await page.getByRole('button', { name: 'Create endpoint' }).click();
    await page.getByText('without credentials').waitFor();
    expect(await page.getByLabel('Description').inputValue()).toBe('CRM');
    await page.getByLabel('URL').fill(`${receiver.url}/crm`);
    await page.getByRole('checkbox', { name: 'received' }).check();
    await page.getByRole('button', { name: 'Create endpoint' }).click();
    await page.getByRole('heading', { name: 'CRM', exact: true }).waitFor();
    const secret = (await page.locator('#new-secret').textContent())!;
    await page.reload();
    expect(await page.locator('#new-secret').count()).toBe(0);

    await page.getByRole('button', { name: 'Send a test' }).click();
    const [test] = await eventually(
      () => (receiver.at('/crm').length > 0 ? receiver.at('/crm') : null),
      'the test',
    );
    const verified = new Webhook(secret).verify(test!.body, test!.headers as Record<string, string>);
    expect(verified).toMatchObject({ type: 'webhook.test' });

    receiver.answers.set('/crm', [500]);
    const { body } = await site.client.createBatch(jsonl([member(1)]), { importProcessId });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await eventually(async () => {
      await page.reload();
      const failed = page.getByText('the receiver answered 500').first();
      return (await failed.count()) > 0;
    }, 'the failed attempt to be listed');
    const failed = page.locator('details', { hasText: 'the receiver answered 500' });
    await failed.locator('summary').click();
    await failed.getByRole('heading', { name: /Attempt 1.*Answer 500/ }).waitFor();
    expect(await failed.locator('pre').first().textContent()).toContain('webhook-signature: v1,');
    const summary = (await failed.locator('summary').textContent())!;
    expect(summary).toMatch(new RegExp(`Import ${id}: (received|succeeded)`));
    await Promise.all([
      page.waitForEvent('load'),
      failed.getByRole('button', { name: 'Send again' }).click(),
    ]);
    await eventually(async () => {
      await page.reload();
      return (await page.locator('summary', { hasText: 'Sent' }).count()) === 3;
    }, 'all three to be sent');

    const host = new URL(receiver.url).host;
    await page.goto(`/imports/${id}`);
    const sent = page.getByRole('listitem').filter({ hasText: host });
    expect(await sent.allTextContents()).toEqual([`Sent received: ${host}`, `Sent succeeded: ${host}`]);
    await sent.first().getByRole('link', { name: host }).click();
    await page.getByRole('heading', { name: 'CRM', exact: true }).waitFor();
    const viewer = await site.visitor(await signIn(site.app, 'viewer'));
    await viewer.page.goto(`/imports/${id}`);
    expect(await viewer.page.getByRole('listitem').filter({ hasText: host }).count()).toBe(2);
    expect(await viewer.page.getByRole('link', { name: host }).count()).toBe(0);
  });

  it('rotate the secret, change the settings, disable and delete an endpoint', async () => {
    const { page } = await site.administrator();
    await site.client.post('/API/WebhookEndpoints', {
      url: `${receiver.url}/chat`,
      description: 'Chat',
      events: ['batch.failed'],
    });
    await page.goto('/webhooks');
    await page.getByRole('link', { name: 'Chat' }).click();
    await page.getByRole('button', { name: 'New secret' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'New secret' }).click();
    expect(await page.locator('#new-secret').textContent()).toMatch(/^whsec_/);
    await page.getByText('Two secrets sign until').waitFor();
    await page.getByLabel('Format').selectOption('slack');
    await page.getByRole('checkbox', { name: 'Members' }).check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.goto('/webhooks');
    expect(await page.getByRole('row', { name: 'Chat' }).textContent()).toContain('Members');
    await page.getByRole('link', { name: 'Chat' }).click();
    await page.getByRole('button', { name: 'Disable' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
    await page.getByText('Nothing is stored for it or sent to it.').waitFor();
    expect(await page.getByRole('button', { name: 'Send a test' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Delete' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL('**/webhooks');
    expect(await page.getByRole('link', { name: 'Chat' }).count()).toBe(0);
  });

  it('are not offered to operators', async () => {
    const { page } = await site.visitor(await signIn(site.app, 'operator'));
    await page.goto('/imports');
    expect(await page.getByRole('link', { name: 'Webhooks' }).count()).toBe(0);
    const answer = await page.context().request.get(`${site.url}/webhooks`);
    expect([answer.status(), await answer.text()]).toEqual([
      403,
      expect.stringContaining('You do not have access'),
    ]);
  });
});
