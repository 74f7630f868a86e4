import { Client } from 'pg';
import { corpus } from '../support/corpora.js';
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

  /** Break it: in `targetOf` of the page, leave out `lookup`, or `constants`. */
  it('takes a real data set, with look-ups and constants from the page, and names each broken constraint', async () => {
    await there.query(`
      CREATE TABLE module (id serial PRIMARY KEY, code text NOT NULL UNIQUE);
      CREATE TABLE presentation (code varchar(5) PRIMARY KEY);
      CREATE TABLE assessment (
        id_assessment integer PRIMARY KEY,
        module_id integer NOT NULL REFERENCES module,
        presentation varchar(5) NOT NULL CONSTRAINT known_presentation REFERENCES presentation,
        kind text NOT NULL, due integer, weight numeric(5,2) NOT NULL CONSTRAINT percentage CHECK (weight <= 100),
        source text NOT NULL,
        CONSTRAINT due_in_time CHECK (due IS NULL OR due < 1000 OR kind = 'Exam'));
      CREATE UNIQUE INDEX one_of_weight_77 ON assessment (weight) WHERE weight = 77;
      INSERT INTO presentation VALUES ('2013B'), ('2013J'), ('2014B'), ('2014J');
      INSERT INTO module (code) VALUES ('AAA');
      INSERT INTO assessment VALUES (1752, 1, '2013J', 'TMA', 19, 10, 'Open University'),
                                    (1753, 1, '2013J', 'TMA', 54, 5, 'Open University')`);
    const { page } = await site.administrator();
    await page.goto('/file-types/from-table');
    await page.getByLabel('Table').selectOption('crm › public.assessment');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Assessments');
    for (const [column, field] of Object.entries({
      module_id: 'code_module',
      presentation: 'code_presentation',
      kind: 'assessment_type',
      due: 'date',
      source: '',
    })) {
      await page.getByLabel(`Field of ${column}`).fill(field);
    }
    await page.getByLabel('What rows hold for module_id').selectOption('finds a row of module by code');
    await page.getByLabel('If module_id is not found').selectOption('if not found, create it in module');
    await page.getByLabel('Value of source in every row').fill('OU');
    await page.getByRole('button', { name: 'Create file type' }).click();
    await page.getByRole('link', { name: 'Edit table and columns' }).click();
    await page.getByLabel('Value of source in every row').fill('Open University');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('version 2').first().waitFor();

    const broken = {
      no_weight: 'AAA,2013J,900001,TMA,1,',
      first_of_77: 'AAA,2013J,900002,TMA,1,77',
      one_of_weight_77: 'AAA,2013J,900003,TMA,1,77',
      known_presentation: 'AAA,2019X,900004,TMA,1,10',
      percentage: 'AAA,2013J,900005,TMA,1,101',
      due_in_time: 'AAA,2013J,900006,TMA,2000,10',
      not_a_number: 'AAA,2013J,nine,TMA,1,10',
      too_long: 'AAA,2013J-AND-MORE,900007,TMA,1,10',
    };
    const data = corpus('data/oulad-assessments.csv').toString('utf8').trimEnd();
    const file = `${[data, ...Object.values(broken)].join('\n')}\n`;
    await page.goto('/imports/new');
    await page.getByRole('link', { name: 'Import a file of Assessments' }).click();
    await page.setInputFiles('input[type=file]', await fileOf('assessments.csv', file));
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.getByRole('heading', { name: 'assessments.csv' }).waitFor();
    await page.getByRole('button', { name: /^Import [\d,]+ rows?$/ }).click();
    await page.getByText('Completed with errors', { exact: true }).waitFor();

    const batch = (await site.client.get('/API/WorkflowImportQueue/Batches?limit=1')).body.items[0];
    expect(batch.operations).toEqual({ created: 205, updated: 1, unchanged: 1 });
    const records = async (status: string): Promise<[number, string][]> => {
      const { body } = await site.client.get(`${batch.links.records}?status=${status}&limit=200`);
      return body.items.map(({ line, error }: any) => [line, `${error.message} ${error.pointer}`]);
    };
    const errors = [...(await records('invalid')), ...(await records('failed'))].sort(([a], [b]) => a - b);
    expect(errors).toEqual([
      [208, expect.stringMatching(/weight/)],
      [210, expect.stringMatching(/one_of_weight_77/)],
      [211, expect.stringMatching(/known_presentation/)],
      [212, expect.stringMatching(/weight/)],
      [213, expect.stringMatching(/due_in_time/)],
      [214, expect.stringMatching(/id_assessment/)],
      [215, expect.stringMatching(/code_presentation/)],
    ]);
    const { rows: stored } = await there.query(`
      SELECT module.code, count(*)::int, sum(weight)::int AS weight, min(source) AS source
        FROM assessment JOIN module ON module.id = module_id GROUP BY 1 ORDER BY 1`);
    expect(stored.map(({ code, count, source }) => [code, count, source])).toEqual(
      Object.entries({ AAA: 13, BBB: 42, CCC: 20, DDD: 35, EEE: 15, FFF: 52, GGG: 30 }).map(
        ([code, count]) => [...[code, count, 'Open University']],
      ),
    );
  });
});
