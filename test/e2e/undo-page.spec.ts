import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the page that undoes an import', () => {
  let app: TestApp;
  let client: ImportClient;
  let cookie: string;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
    cookie = await signIn(app);
    importProcessId = await client.setUp();
  });
  afterAll(() => app?.close());

  const store = async (rows: unknown[]): Promise<number> => {
    const { body } = await client.createBatch(jsonl(rows), { importProcessId, fileName: 'members.jsonl' });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const open = async (path: string) => {
    const response = await fetch(app.url + path, { headers: { cookie } });
    const html = (await response.text()).replace(/&#x27;/g, "'").replace(/&#x3D;/g, '=');
    return { status: response.status, html };
  };
  const post = (path: string) =>
    fetch(app.url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, origin: app.url, 'content-type': 'application/x-www-form-urlencoded' },
    });
  const cards = (html: string) =>
    [...html.matchAll(/<strong>(\d+)<\/strong> <span>([^<]+)</g)].map(
      ([, count, name]) => `${count} ${name}`,
    );

  /** Break it: in `UndoPage.render`, leave out the counts; in `import.page.ts`, offer no undo. */
  it('shows first what happens to each row, and then undoes it', async () => {
    await store([member(1), member(2)]);
    const id = await store([member(1, { 'First Name': 'Changed' }), member(2, { Level: null }), member(3)]);
    await store([member(2, { 'First Name': 'Later' })]);

    expect((await open(`/imports/${id}`)).html).toContain(`href="/imports/${id}/undo"`);
    const { status, html } = await open(`/imports/${id}/undo`);
    expect(status).toBe(200);
    expect(cards(html)).toEqual([
      '2 Will be reverted',
      '1 Changed since: stay as they are',
      '0 Cannot be undone',
    ]);
    expect(html).toMatch(/First Name: <del>.*?Changed<\/del> <ins>.*?First 1<\/ins>/);
    expect(html).toMatch(/Deleted: <del>[^<]*First 3/);
    expect(html).toMatch(/changed by [^<]+ at \d{4}-/);
    const kept = await open(`/imports/${id}/undo?operation=kept`);
    expect([...kept.html.matchAll(/data-label="Row"><a[^>]*>(\d+)</g)].map(([, row]) => row)).toEqual(['2']);

    const answer = await post(`/imports/${id}/undo`);
    expect(answer.status).toBe(303);
    const undoPath = answer.headers.get('location')!;
    await client.ended(Number(undoPath.split('/').at(-1)));
    const undo = (await open(undoPath)).html;
    expect(undo).toContain('2 reverted, 1 kept because they changed since');
    expect(undo).toMatch(new RegExp(`<dt>Undo of</dt><dd><a href="/imports/${id}">`));
    expect(undo).not.toContain('/fix"');
    const undone = (await open(`/imports/${id}`)).html;
    expect(undone).toMatch(new RegExp(`<dt>Undone by</dt><dd><a href="${undoPath}">`));
    expect(undone).not.toContain(`/imports/${id}/undo`);
    // The third record created an instance, which is gone; the first one changed an instance, which is there.
    expect((await open(`/imports/${id}/records/3`)).html).toContain(
      `which <a href="${undoPath}">an undo</a> removed`,
    );
    expect((await open(`/imports/${id}/records/1`)).html).toMatch(
      /<a href="\/workflows\/[^"]+\/instances\/\d+">instance/,
    );
    expect((await open('/imports')).html).toMatch(/title="IMPORT_QUEUE_UNDO"[^>]*>Undo</);
    expect((await open(`${undoPath}/undo`)).html).toContain('This import is an undo.');
    expect((await open(`/imports/${id}/undo`)).status).toBe(409);
  });

  it('is not offered for an import that changed nothing', async () => {
    const id = await store([{ ':UniqueId': 'M-99' }]);
    expect((await open(`/imports/${id}`)).html).not.toContain('/undo"');
    expect((await open(`/imports/${id}/undo`)).html).toContain('There is nothing to undo.');
  });
});
