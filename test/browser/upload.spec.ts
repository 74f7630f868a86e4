import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { UploadStore } from '../../src/batches/upload-store.js';
import { selectUploadOfBatch } from '../../src/batches/uploads.sql.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { csv, fileOf, memberRow } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';
import { eventually } from '../support/eventually.js';
import { signIn, storeUser, TEST_PASSWORD } from '../support/sign-in.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

const ROWS = 100_000;

/** The button that confirms an upload. */
const IMPORT = /^Import [\d,]+ rows?$/;

describe('a file sent in the browser', () => {
  let site: Site;
  let importProcessId: number;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp(undefined, {}, { name: 'Members' });
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  const send = async (page: Page, file: string) => {
    await page.goto(`/imports/new/${importProcessId}`);
    await page.setInputFiles('input[type=file]', file);
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.waitForURL(/\/imports\/\d+$/, { timeout: 90_000 });
  };

  it('is checked, confirmed and watched; its failed rows are corrected in the download and uploaded again', async () => {
    const { page } = await site.visitor(await signIn(site.app, 'operator'));
    await page.goto('/imports');
    await page.getByRole('link', { name: 'New import' }).first().click();
    await page.getByRole('link', { name: 'Import a file of Members' }).click();
    await page.setInputFiles(
      'input[type=file]',
      await fileOf('people.csv', csv([memberRow(1), memberRow(2, 'Boss')])),
    );
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.getByRole('heading', { name: 'people.csv' }).waitFor();
    await page.getByRole('heading', { name: 'Why rows are invalid' }).waitFor();
    expect(await page.getByRole('group', { name: 'Counts' }).textContent()).toMatch(
      /2\s+Rows\s+1\s+Valid\s+1\s+Invalid/,
    );
    await page.getByRole('button', { name: IMPORT }).click();
    await page.getByText('Completed with errors', { exact: true }).waitFor();

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Failed as CSV' }).click(),
    ]);
    const failed = await readFile(await download.path(), 'utf8');
    expect(failed).toContain('_line,_status,_error');
    await send(page, await fileOf('people-corrected.csv', failed.replace('Boss', 'Associate')));
    await page.getByRole('button', { name: IMPORT }).click();
    await page.getByText('Completed', { exact: true }).waitFor();
    await page.getByText('1 succeeded = 1 record received', { exact: true }).waitFor();
  });

  it('of 100,000 rows is confirmed and watched to its end without a reload', async () => {
    const rows = Array.from({ length: ROWS }, (_, index) => memberRow(1_000_000 + index));
    const { page } = await site.administrator();
    await send(page, await fileOf('many.csv', csv(rows)));
    await page.getByRole('button', { name: IMPORT }).click();
    await page.getByText('100,000 of 100,000 records processed').waitFor({ timeout: 120_000 });
    await page.getByText('Completed', { exact: true }).waitFor();
    await page.getByText('100,000 succeeded = 100,000 records received', { exact: true }).waitFor();
  }, 180_000);

  it('with unknown columns is matched to fields and read in another way, without another upload', async () => {
    const { page } = await site.administrator();
    const file = await fileOf(
      'odd.csv',
      csv([['M-7', 'seven@example.org', 'Seven', 'Fellow']], [':UniqueId', 'Contact', 'First Name', 'Level']),
    );
    await send(page, file);
    const { href } = new URL(page.url());
    const understood = async () =>
      (await site.client.batch(Number(href.split('/').at(-1)))).understood as {
        emptyCells: string;
        columns: { header: string; target: string | null }[];
      };
    const contact = async () =>
      (await understood()).columns.find(({ header }) => header === 'Contact')?.target;
    expect(await contact()).toBeNull();
    await page.getByLabel('Field for Contact').selectOption(':Email');
    await page.getByRole('button', { name: 'Check again', exact: true }).click();
    await eventually(async () => (await contact()) === ':Email', 'the column to be matched');

    await page.goto(href);
    await page.getByLabel('Empty cells', { exact: true }).selectOption('clear');
    await page.getByRole('button', { name: 'Read again', exact: true }).click();
    await eventually(async () => (await understood()).emptyCells === 'clear', 'the file to be read again');
    expect(await contact()).toBe(':Email');
    await page.goto(href);
    expect(await page.getByRole('group', { name: 'Counts' }).textContent()).toMatch(
      /1\s+Valid\s+0\s+Invalid/,
    );

    await page.getByRole('button', { name: 'Abandon' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Abandon' }).click();
    await page.getByText('Abandoned', { exact: true }).first().waitFor();
  });

  it('that cannot be read is refused in words, with the line of the error', async () => {
    const { page } = await site.administrator();
    await page.goto(`/imports/new/${importProcessId}`);
    await page.setInputFiles('input[type=file]', await fileOf('bad.jsonl', '{"a":1}\n{"b":\n'));
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toMatch(/line 2/);
  });

  /** Break it: in pages.js, listen for `drop` on the fields that are there at the start. */
  it('can be dropped, even after one that was refused', async () => {
    const { page } = await site.administrator();
    await page.goto(`/imports/new/${importProcessId}`);
    const drop = async (name: string, content: string) => {
      const transfer = await page.evaluateHandle(
        `(() => { const it = new DataTransfer(); it.items.add(new File([${JSON.stringify(content)}], '${name}')); return it; })()`,
      );
      await page.dispatchEvent('[data-drop]', 'drop', { dataTransfer: transfer });
      await page.getByText(`${name} ·`).waitFor();
      await page.getByRole('button', { name: 'Upload and check' }).click();
    };
    await drop('bad.jsonl', '{"a":\n');
    await page.getByRole('alert').waitFor();
    await drop('good.csv', csv([memberRow(70)]));
    await page.getByRole('heading', { name: 'good.csv' }).waitFor();
  });

  /** Break it: in pages.js, leave out `beforeunload`, or the listener for `abort`. */
  it('can be canceled, and the browser asks before it is lost', async () => {
    const { page } = await site.administrator();
    await page.goto(`/imports/new/${importProcessId}`);
    await page.setInputFiles('input[type=file]', await fileOf('slow.csv', csv([memberRow(80)])));
    await page.route(`**/imports/new/${importProcessId}`, () => undefined);
    await page.getByRole('button', { name: 'Upload and check' }).click();
    const question = page.waitForEvent('dialog');
    const leaving = page.goto('/imports').catch(() => undefined);
    await (await question).dismiss();
    await leaving;
    await page.getByRole('button', { name: 'Cancel upload' }).click();
    await page.getByText('The upload was canceled. Nothing was stored.').waitFor();
    expect(await page.getByRole('button', { name: 'Upload and check' }).isEnabled()).toBe(true);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await page.goto('/imports');
  });

  describe('of more than 8 MiB', () => {
    const ROW_COUNT = 300;
    let path: string;
    let proxy: TcpProxy;

    beforeAll(async () => {
      // A wide column that no field takes makes a large file of few rows.
      const rows = Array.from({ length: ROW_COUNT }, (_, n) => [
        ...memberRow(500_000 + n),
        `${n} `.repeat(15_000),
      ]);
      path = await fileOf('wide.csv', csv(rows, [':UniqueId', ':Email', 'First Name', 'Level', 'Padding']));
      proxy = await startTcpProxy(site.url);
    });
    afterAll(() => proxy?.close());

    /** A visitor whose connection breaks, which the browser logs. */
    const traveller = async () => {
      const visitor = await site.administrator({ baseURL: proxy.url });
      const requests: string[] = [];
      visitor.page.on('request', (request) => {
        const { pathname } = new URL(request.url());
        if (/Uploads\/Parts/.test(pathname)) requests.push(request.method());
      });
      const complaints = () => {
        const others = visitor.complaints.filter(
          (text) => !/net::ERR_(EMPTY|CONNECTION|INCOMPLETE|SOCKET)|status of 409/.test(text),
        );
        visitor.complaints.splice(0);
        return others;
      };
      return { page: visitor.page, requests, complaints };
    };
    const storedHash = async (batchId: number) => {
      const { id, size } = (await selectUploadOfBatch(site.app.app.get(DatabaseService), batchId))!;
      const hash = createHash('sha256');
      for await (const piece of (await site.app.app.get(UploadStore).open({ id, size })).pieces())
        hash.update(piece);
      return hash.digest('hex');
    };
    const fileHash = async () =>
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex');

    /** Break it: in uploads.js, leave `offset = null` out before PATCH; in `takeArrived`, leave the catch out. */
    it('arrives as one import although its connection breaks again and again', async () => {
      const { page, requests, complaints } = await traveller();
      await page.goto(`/imports/new/${importProcessId}`);
      await page.setInputFiles('input[type=file]', path);
      proxy.breakEvery(5 * 1024 * 1024);
      await page.getByRole('button', { name: 'Upload and check' }).click();
      await page.waitForURL(/\/imports\/\d+$/, { timeout: 60_000 });
      proxy.breakEvery(Infinity);
      expect(requests.filter((method) => method === 'PATCH').length).toBeGreaterThanOrEqual(4);
      expect(await page.getByRole('group', { name: 'Counts' }).textContent()).toMatch(/300\s+Valid/);
      expect(await storedHash(Number(page.url().split('/').at(-1)))).toBe(await fileHash());
      const { body } = await site.client.get('/API/WorkflowImportQueue/Batches?q=wide.csv');
      expect(body.items.length).toBe(1);
      expect(complaints()).toEqual([]);
    });

    /** Break it: in uploads.js, do not keep unfinished uploads. */
    it('continues after a reload when the same file is chosen again, and is forgotten when canceled', async () => {
      const { page, requests, complaints } = await traveller();
      await page.goto('/imports/new/from-file');
      await page.setInputFiles('input[type=file]', path);
      proxy.cutAfter(12 * 1024 * 1024);
      await page.getByRole('button', { name: 'Read the file' }).click();
      await page.getByText('The connection was lost. The upload continues when it is back.').waitFor();
      proxy.breakEvery(Infinity);
      page.once('dialog', (question) => void question.accept());
      proxy.restore();
      await page.reload();
      await page
        .getByText('The upload of wide.csv was interrupted. Choose the same file to continue.')
        .waitFor();
      await page.setInputFiles('input[type=file]', path);
      await page.getByText(/^[1-9]\d? % of this file has already arrived/).waitFor();
      requests.splice(0);
      await page.getByRole('button', { name: 'Read the file' }).click();
      await page.getByRole('heading', { name: 'Start from wide.csv' }).waitFor({ timeout: 60_000 });
      expect(requests.filter((method) => method === 'PATCH').length).toBeLessThan(4);

      await page.goto('/imports/new/from-file');
      expect(await page.getByText('was interrupted').count()).toBe(0);
      await page.setInputFiles('input[type=file]', path);
      await page.route('**/Uploads/Parts/*', (route) =>
        route.request().method() === 'PATCH' ? undefined : route.continue(),
      );
      await page.getByRole('button', { name: 'Read the file' }).click();
      await page.getByText('0 % uploaded').waitFor();
      const gone = page.waitForResponse((response) => response.request().method() === 'DELETE');
      await page.getByRole('button', { name: 'Cancel upload' }).click();
      expect((await gone).status()).toBe(204);
      await page.getByText('The upload was canceled. Nothing was stored.').waitFor();
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      expect(complaints()).toEqual([]);
    });
  });

  it('needs neither JavaScript nor a mouse', async () => {
    await storeUser(site.app, 'operator', 'keys@example.org');
    const { page } = await site.visitor(null, { javaScriptEnabled: false });
    await page.goto('/imports');
    await page.getByLabel('E-mail').fill('keys@example.org');
    await page.getByLabel('Password').fill(TEST_PASSWORD);
    await page.keyboard.press('Enter');
    const reach = async (name: RegExp | string) => {
      const wanted = page.getByRole('link', { name }).or(page.getByRole('button', { name })).first();
      await wanted.focus();
      await page.keyboard.press('Enter');
    };
    await reach('New import');
    await reach('Import a file of Members');
    await page.setInputFiles(
      'input[type=file]',
      await fileOf('plain.csv', csv([memberRow(50), memberRow(51, 'Boss')])),
    );
    await reach('Upload and check');
    await page.getByRole('heading', { name: 'plain.csv' }).waitFor();
    await reach(IMPORT);
    await page.getByRole('heading', { name: 'plain.csv' }).waitFor();
    const id = Number(page.url().split('/').at(-1));
    await site.client.ended(id);
    await page.reload();
    await page.getByText('Completed with errors', { exact: true }).waitFor();
    await reach('Fix and resend');
    await page.getByLabel('Level, line 3').selectOption('Associate');
    await reach('Send corrected rows');
    await page.waitForURL(/\/imports\/\d+$/);
    await site.client.ended(Number(page.url().split('/').at(-1)));
    await page.reload();
    await page.getByText('1 succeeded = 1 record received', { exact: true }).waitFor();
  });

  it('can be replaced by rows entered one at a time, with mistakes shown at their field', async () => {
    const { page } = await site.administrator();
    await page.goto(`/imports/new/${importProcessId}/one`);
    await page.getByLabel('UniqueId').fill('M-900');
    await page.getByLabel('Email').fill('nobody@example');
    await page.getByLabel('First Name').fill('Nine');
    await page.getByLabel('Level').selectOption('Fellow');
    await page.getByRole('button', { name: 'Save and add another' }).click();
    await page.locator('[aria-invalid=true]').waitFor();
    await page.getByLabel('Email').fill('nine@example.org');
    await page.getByRole('button', { name: 'Save and add another' }).click();
    await page.getByRole('link', { name: 'See the result' }).click();
    await page.getByText('1 succeeded = 1 record received', { exact: true }).waitFor();
  });

  it('is imported through accessible pages', async () => {
    const visitor = await site.administrator();
    const phone = await site.administrator({ viewport: PHONE });
    await send(visitor.page, await fileOf('axe.csv', csv([memberRow(60), memberRow(61, 'Boss')])));
    const awaiting = visitor.path;
    const other = await site.client.createBatch('{"Level":"Boss"}\n', { importProcessId });
    const id = other.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await site.client.ended(id);
    const paths = [
      '/imports/new',
      `/imports/new/${importProcessId}`,
      `/imports/new/${importProcessId}/one`,
      awaiting,
      `/imports/${id}/fix`,
    ];
    for (const path of paths) {
      await visitor.open(path);
      expect({ path, hindrances: await visitor.hindrances() }).toEqual({ path, hindrances: [] });
      await phone.open(path);
      expect({ path, overflow: await phone.overflow() }).toEqual({ path, overflow: 0 });
    }
  });
});
