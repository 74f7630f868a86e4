import { fileOf } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { PHONE, type Visitor } from '../support/browser/visitor.js';
import { eventually } from '../support/eventually.js';
import { SmtpSink } from '../support/smtp-sink.js';

const CSV =
  'Number;Name;Mail;Level\nC-1;Ann;ann@example.org;Senior\nC-2;Ben;;Senior\nC-3;Cleo;cleo@example.org;Junior\n';

/** Break it: in workflow-draft.ts, let `withNewFields` leave out `taken`. */
describe('an administrator with an empty installation', () => {
  let sink: SmtpSink;
  let site: Site;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    site = await Site.open({ SMTP_URL: sink.url });
  });
  afterAll(async () => {
    await site?.close();
    await sink?.down();
  });
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  /** @returns what a person with a screen reader, or with a phone, would stumble over */
  const shown = async (visitor: Visitor, name: string) => {
    const { page } = visitor;
    const folder = process.env.SCREENSHOTS;
    if (folder !== undefined) {
      for (const [size, viewport] of [
        ['desk', { width: 1440, height: 900 }],
        ['phone', PHONE],
      ] as const) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png`, fullPage: true });
        }
      }
      await page.emulateMedia({ colorScheme: 'light' });
    }
    await page.setViewportSize(PHONE);
    const overflow = await visitor.overflow();
    await page.setViewportSize({ width: 1440, height: 900 });
    return { overflow, hindrances: await visitor.hindrances() };
  };

  it('builds a workflow by form, with the keyboard, imports a file, and the mail arrives', async () => {
    const visitor = await site.administrator();
    const { page } = visitor;
    const press = async (name: string | RegExp) => {
      await page.getByRole('button', { name }).last().focus();
      await page.keyboard.press('Enter');
    };
    await page.goto('/workflows');
    await page.getByRole('link', { name: 'New workflow' }).click();
    await page.getByLabel('Title').fill('Consultants');
    await page.getByLabel('One of them is called').fill('Consultant');
    await page.getByLabel('Name', { exact: true }).first().fill('Number');
    await page.getByLabel('Name of new field').fill('Name');
    for (const [field, type] of [
      ['Mail', 'Email'],
      ['Level', 'PickList'],
    ] as const) {
      await press('Add field');
      // The new row has the focus.
      await page.locator('[name^="attributes."][name$=".name"][value=""]:focus').waitFor();
      await page.keyboard.type(field);
      await page.getByLabel('Type of new field').selectOption(type);
    }
    await page.getByLabel('Options, one per line').last().fill('Junior\nSenior');
    await press('Add rule');
    await page.getByLabel('Message').fill('A senior consultant needs an address.');
    const when = page.getByRole('group', { name: 'For rows where' });
    await when.getByRole('button', { name: 'Add condition' }).press('Enter');
    await when.getByLabel('Field of condition 1').selectOption('Level');
    await when.getByLabel('Value of condition 1').fill('Senior');
    const require = page.getByRole('group', { name: 'this must be true' });
    await require.getByLabel('Field of condition 1').selectOption('Mail');
    await require.getByLabel('Comparison of condition 1').selectOption('is filled in');
    await press('Add mail');
    const mail = page.getByRole('group', { name: 'Mail', exact: true });
    await mail.getByLabel('To', { exact: true }).selectOption('Mail');
    await mail.getByLabel('Subject').fill('Welcome, {{Name}}');
    await press('Add step');
    await page.getByLabel('Name', { exact: true }).last().fill('Review');
    await page.getByRole('button', { name: 'Create workflow' }).press('Enter');
    await page.getByRole('alert').getByRole('link', { name: 'Text of the mail' }).press('Enter');
    await page.locator('textarea:focus').fill('Dear {{Name}}, you are {{Level}} now.');
    expect(await shown(visitor, 'form')).toEqual({ overflow: 0, hindrances: [] });
    await page.getByRole('button', { name: 'Create workflow' }).press('Enter');
    await page.getByRole('status').getByText('Saved as version 1.').waitFor();
    expect(await shown(visitor, 'workflow')).toEqual({ overflow: 0, hindrances: [] });

    await page.goto('/file-types/new');
    await page.getByLabel('Name', { exact: true }).fill('Consultants');
    await page.getByLabel('Action', { exact: true }).selectOption('Consultants › Import › Save');
    await page.getByRole('button', { name: 'Create file type' }).press('Enter');
    await page.goto('/imports/new');
    await page.getByRole('link', { name: 'Import a file of Consultants' }).click();
    await page.setInputFiles('input[type=file]', await fileOf('consultants.csv', CSV));
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.getByText('A senior consultant needs an address.').first().waitFor();
    await page.getByRole('button', { name: 'Import 2 rows' }).click();
    await page.getByText('Completed with errors', { exact: true }).waitFor();
    const welcome = await eventually(() => sink.mailsTo('ann@example.org')[0], 'the mail of the action');
    expect(welcome).toMatchObject({ subject: 'Welcome, Ann' });
    expect(welcome.text).toContain('Dear Ann, you are Senior now.');
  }, 120_000);
});
