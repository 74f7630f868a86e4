import { Client } from 'pg';
import { fileOf } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

describe('a table of another database', () => {
  let other: TestDatabase;
  let there: Client;
  let site: Site;

  beforeAll(async () => {
    other = await createEmptyDatabase();
    there = new Client({ connectionString: other.url });
    await there.connect();
    await there.query(`
      CREATE TABLE contact (
        id serial PRIMARY KEY, email text NOT NULL UNIQUE, first_name varchar(20) NOT NULL, born date);
      INSERT INTO contact (email, first_name) VALUES ('ada@example.org', 'Ada')`);
    site = await Site.open({ TARGET_CRM_URL: other.url });
  });
  afterAll(async () => {
    await site?.close();
    await there?.end();
    await other?.drop();
  });
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  it('is filled from the pages alone', async () => {
    const { page } = await site.administrator();
    await page.goto('/file-types');
    await page.getByRole('link', { name: 'Import into a table' }).click();
    await page.getByLabel('Table').selectOption('crm › public.contact');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Contacts');
    expect(await page.getByLabel('Key, which finds existing rows').inputValue()).toBe('["email"]');
    expect(await page.getByLabel('Field of id').inputValue()).toBe('');
    await page.getByRole('button', { name: 'Create file type' }).click();
    await page.getByRole('heading', { name: 'Contacts' }).first().waitFor();
    await page.goto('/imports/new');
    await page.getByRole('link', { name: 'Import a file of Contacts' }).click();
    const rows =
      'Email;First Name;Born\nada@example.org;Augusta;10.12.1815\nbob@example.org;Bob;31.01.1990\n';
    await page.setInputFiles('input[type=file]', await fileOf('contacts.csv', rows));
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.getByRole('heading', { name: 'contacts.csv' }).waitFor();
    await page.getByRole('button', { name: /^Import [\d,]+ rows?$/ }).click();
    await page.getByText('Completed', { exact: true }).waitFor();
    const { rows: stored } = await there.query(
      'SELECT email, first_name, born::text FROM contact ORDER BY email',
    );
    expect(stored).toEqual([
      { email: 'ada@example.org', first_name: 'Augusta', born: '1815-12-10' },
      { email: 'bob@example.org', first_name: 'Bob', born: '1990-01-31' },
    ]);
  });
});
