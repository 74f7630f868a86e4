import { csv, fileOf } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';
import { signIn } from '../support/sign-in.js';

const HEADER = ['Nr', 'Contact', 'Name', 'Rank'];

describe('a saved mapping in the browser', () => {
  let site: Site;
  let importProcessId: number;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp(undefined, {}, { name: 'Members' });
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  /** Break it: in `recipeIn`, read no values; in `ConfirmationPage.saveMapping`, do not save. */
  it('holds replaced values under a name, and reads the next file at once', async () => {
    const visitor = await site.visitor(await signIn(site.app, 'operator'));
    const { page } = visitor;
    const send = async (file: string) => {
      await page.goto(`/imports/new/${importProcessId}`);
      await page.setInputFiles('input[type=file]', file);
      await page.getByRole('button', { name: 'Upload and check' }).click();
      await page.waitForURL(/\/imports\/\d+$/);
    };
    const counts = () => page.getByRole('group', { name: 'Counts' }).textContent();
    await send(await fileOf('first.csv', csv([['M-1', 'one@example.org', 'One', 'F']], HEADER)));
    await page.getByText('Not imported: 4 columns').waitFor();
    for (const [header, field] of [
      ['Nr', 'UniqueId'],
      ['Contact', 'Email'],
      ['Name', 'First Name'],
      ['Rank', 'Level'],
    ] as const) {
      await page.getByLabel(`Field for ${header}`).selectOption({ label: field });
    }
    await page.getByRole('button', { name: 'Check again' }).click();
    await page.getByText('Applied: 4 columns').waitFor();
    expect(await counts()).toMatch(/0\s+Valid\s+1\s+Invalid/);

    const rank = page.getByRole('row').filter({ has: page.getByLabel('Field for Rank') });
    await rank.locator('summary').click();
    await rank.getByLabel('Replace values').fill('F = Fellow\nA = Associate');
    await page.getByRole('button', { name: 'Check again' }).click();
    await page.getByText('F → Fellow').first().waitFor();
    expect(await counts()).toMatch(/1\s+Valid\s+0\s+Invalid/);

    await page.getByLabel('Save as').fill('Club list');
    await page.getByRole('button', { name: 'Save mapping' }).click();
    await page.getByText(/Read with the saved mapping Club list, which .+ saved/).waitFor();
    expect(await visitor.hindrances()).toEqual([]);

    await send(await fileOf('second.csv', csv([['M-2', 'two@example.org', 'Two', 'A']], HEADER)));
    await page.getByText(/Read with the saved mapping Club list, which .+ saved/).waitFor();
    expect(await counts()).toMatch(/1\s+Valid\s+0\s+Invalid/);
    expect(await page.getByLabel('Saved mapping').inputValue()).toBe('Club list');
    const phone = await site.administrator({ viewport: PHONE });
    await phone.open(visitor.path);
    expect(await phone.overflow()).toBe(0);
  });

  /** Break it: in `columnView`, select nothing; in mapping.hbs, leave out a label. */
  it('is edited and removed on the page of its file type', async () => {
    const visitor = await site.administrator();
    const { page } = visitor;
    const phone = await site.administrator({ viewport: PHONE });
    await page.goto(`/file-types/${importProcessId}`);
    await page.getByRole('link', { name: 'Club list' }).click();
    await page.getByRole('heading', { name: 'Club list' }).waitFor();
    expect(await visitor.hindrances()).toEqual([]);
    await phone.open(visitor.path);
    expect(await phone.overflow()).toBe(0);
    expect(await page.getByLabel('Field for Rank').inputValue()).toBe('Level');
    await page.getByLabel('Name', { exact: true }).fill('List of the club');
    await page.getByLabel('Field for Name').selectOption({ label: "Don't import" });
    await page.getByRole('button', { name: 'Save mapping' }).click();
    await page.getByText('Not imported: Name').waitFor();
    await page.getByRole('button', { name: 'Remove the mapping List of the club' }).click();
    await page.getByText('List of the club').waitFor({ state: 'detached' });
  });
});
