import { writeFile } from 'node:fs/promises';
import { fileOf } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';

/** A member list as an office exports it: a title, semicolons, Windows-1252, local dates and decimals, a duplicate. */
const MEMBERS = [
  'Mitgliederliste, Stand 31.12.2025;;;;;;',
  '',
  'Mitglied-Nr.;E-Mail;Vorname;Level;Geb.-Datum;Stunden;Bemerkung',
  ...Array.from(
    { length: 20 },
    (_, n) =>
      `M-${1000 + n};person${n}@example.org;Zo\xeb;${n % 2 === 0 ? 'Fellow ' : 'Associate'};${10 + n}.11.1953;4,0;`,
  ),
  'M-1001;person1@example.org;Jos\xe9;Associate;12.11.1953;4,5;doppelt',
  'M-1100;person100@example.org;Maria;Fellow;31.02.1980;4,0;',
  'M-1101;not an address;Eva;Fellow;01.02.1980;4,0;',
].join('\r\n');

describe('starting from a file', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  const picture = (page: import('playwright-core').Page, name: string) =>
    process.env.PICTURES === undefined
      ? undefined
      : page.screenshot({ path: `${process.env.PICTURES}-${name}.png`, fullPage: true });

  it('imports a messy spreadsheet on a fresh installation, without JSON and without sending it twice', async () => {
    const path = await fileOf('mitglieder.csv', '');
    await writeFile(path, Buffer.from(MEMBERS, 'latin1'));
    const visitor = await site.administrator();
    const { page } = visitor;
    await page.goto('/imports/new');
    await picture(page, '1-new');
    expect(await visitor.hindrances()).toEqual([]);
    await page.setInputFiles('input[type=file]', path);
    await page.getByRole('button', { name: 'Read the file' }).click();
    await page.getByRole('heading', { name: 'Start from mitglieder.csv' }).waitFor();
    await page.getByText('Read as windows-1252, delimiter semicolon, header in row 3.').waitFor();
    await picture(page, '2-fields');
    expect(await visitor.hindrances()).toEqual([]);
    expect(await page.getByLabel('Type of Geb.-Datum').inputValue()).toBe('Date');
    expect(await page.getByLabel('Mitglied-Nr. identifies').isChecked()).toBe(true);
    await page.getByLabel('Name of Geb.-Datum').fill('Date Of Birth');
    await page.getByRole('button', { name: 'Create and check this file' }).click();
    await page.waitForURL(/\/imports\/\d+$/);
    await picture(page, '3-check');
    await page
      .getByRole('button', { name: /Confirm|Import/ })
      .first()
      .click();
    await page.getByText('Completed with errors', { exact: true }).waitFor();
    await picture(page, '4-ended');
    const { body } = await site.client.get('/API/Workflows/mitglieder/Instances?limit=200');
    expect(body.items.length).toBeGreaterThanOrEqual(20);
    expect(body.items.at(-1).attributes).toMatchObject({ 'Date Of Birth': '1953-11-10', Vorname: 'Zoë' });
  });

  it('shows what is missing, keeps what was entered, and gives a name in use a number', async () => {
    const path = await fileOf('again.csv', 'Name,Born\nAnn,2001-01-01\nBo,2001-01-02\n');
    const visitor = await site.administrator();
    const { page } = visitor;
    for (const expected of ['again', 'again-2']) {
      await page.goto('/file-types/new');
      await page.setInputFiles('input[type=file]', path);
      await page.getByRole('button', { name: 'Read the file' }).click();
      await page.getByLabel('Name identifies').uncheck();
      await page.getByLabel('Name of Born').fill('Birthday');
      await page.getByRole('button', { name: 'Create and check this file' }).click();
      await page.getByText('Select the column that identifies').waitFor();
      expect(await page.getByLabel('Name of Birthday').inputValue()).toBe('Birthday');
      await page.getByLabel('Name identifies').check();
      await page.getByRole('button', { name: 'Create and check this file' }).click();
      await page.waitForURL(/\/imports\/\d+$/);
      expect((await site.client.get(`/API/Workflows/${expected}`)).status).toBe(200);
    }
  });

  it('refuses a file that is not a table, and fits a phone', async () => {
    const visitor = await site.administrator({ viewport: PHONE });
    await visitor.open('/imports/new/from-file');
    await visitor.page.setInputFiles('input[type=file]', await fileOf('empty.csv', 'a,b\n'));
    await visitor.page.getByRole('button', { name: 'Read the file' }).click();
    await visitor.page.getByRole('alert').waitFor();
    await visitor.page.setInputFiles('input[type=file]', await fileOf('x.csv', 'id,name\n1,Ann\n2,Bo\n'));
    await visitor.page.getByRole('button', { name: 'Read the file' }).click();
    await visitor.page.getByRole('heading', { name: 'Start from x.csv' }).waitFor();
    expect(await visitor.overflow()).toBe(0);
    // The name of a column is beside no other cell, so it needs no more than one line.
    const name = await visitor.page.getByRole('rowheader', { name: 'name' }).boundingBox();
    expect(name!.height).toBeLessThan(50);
    await picture(visitor.page, 'phone');
  });
});
