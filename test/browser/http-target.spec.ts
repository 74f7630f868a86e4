import { fileOf } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

describe('a URL that rows are delivered to', () => {
  let receiver: WebhookReceiver;
  let site: Site;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    site = await Site.open({ ALLOW_PRIVATE_TARGETS: 'true' });
  });
  afterAll(async () => {
    await site?.close();
    await receiver?.stop();
  });
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  /**
   * Break it: in `targetOf` of the page, leave out the numbers, or send `idempotent` always; in `resolutionButtons`, offer
   * none.
   */
  it('is defined, changed and filled from the pages alone, and a person resolves what is unknown', async () => {
    const { page } = await site.administrator();
    await page.goto('/file-types');
    await page.getByRole('link', { name: 'Deliver to a URL' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Contacts');
    await page.getByLabel('URL', { exact: true }).fill('ftp://example.org');
    await page.getByLabel('Requests at a time').fill('2');
    await page.getByLabel('Name of field 1', { exact: true }).fill('email');
    await page.getByLabel('Type of field 1', { exact: true }).selectOption('E-mail address');
    await page.getByLabel('Field 1 is required', { exact: true }).check();
    await page.getByLabel('Name of field 2', { exact: true }).fill('age');
    await page.getByLabel('Type of field 2', { exact: true }).selectOption('Whole number');
    await page.getByRole('button', { name: 'More fields' }).click();
    await page.getByLabel('Name of field 7', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Create file type' }).click();
    await page.getByText('must be an http or https URL').first().waitFor();
    await page
      .getByLabel('URL', { exact: true })
      .fill(receiver.url.replace('//', '//ada:secret@') + '/contacts');
    await page.getByRole('button', { name: 'Create file type' }).click();
    await page.getByRole('heading', { name: 'Contacts' }).first().waitFor();

    await page.getByRole('link', { name: 'Edit URL and fields' }).click();
    expect(await page.getByLabel('URL', { exact: true }).inputValue()).toContain('ada:********@');
    await page.getByLabel('The receiver recognizes a row that it gets twice').uncheck();
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    await page.getByText('version 2').first().waitFor();

    receiver.answers.set('/contacts', [500]);
    await page.goto('/imports/new');
    await page.getByRole('link', { name: 'Import a file of Contacts' }).click();
    const rows = 'Email;Age\nada@example.org;36\nbob@example.org;old\n';
    await page.setInputFiles('input[type=file]', await fileOf('contacts.csv', rows));
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.getByRole('heading', { name: 'contacts.csv' }).waitFor();
    await page.getByRole('button', { name: 'Import 1 row' }).click();
    await page.getByText('Completed with errors', { exact: true }).waitFor();
    expect(receiver.received).toMatchObject([
      {
        body: '{"email":"ada@example.org","age":36}',
        headers: { authorization: `Basic ${Buffer.from('ada:secret').toString('base64')}` },
      },
    ]);

    await page.getByText('1 record is unknown').waitFor();
    await page.getByRole('link', { name: '2', exact: true }).first().click();
    await page.getByRole('button', { name: '1 unknown record was delivered' }).click();
    await page.getByRole('dialog').getByRole('button', { name: '1 unknown record was delivered' }).click();
    await page.getByText('Succeeded', { exact: true }).first().waitFor();
    await page.getByRole('link', { name: 'contacts.csv' }).click();
    await page.getByText('1 invalid + 1 succeeded').waitFor();
  });
});
