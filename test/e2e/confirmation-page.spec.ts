import { ImportClient } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const KNOWN = ':UniqueId,:Email,First Name,Level';
const UNKNOWN = ':UniqueId,E-mail,First Name,Level,Remark';

describe('the page of a file that awaits confirmation', () => {
  let app: TestApp;
  let client: ImportClient;
  let administrator: string;
  let viewer: string;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new ImportClient(app.url);
    administrator = await signIn(app);
    viewer = await signIn(app, 'viewer');
  });
  beforeEach(async () => {
    importProcessId = await client.setUp();
  });
  afterAll(() => app?.close());

  const upload = async (lines: readonly string[]): Promise<number> => {
    const { status, body } = await client.upload(lines.join('\n'), { importProcessId, fileName: 'a.csv' });
    expect(status).toBe(202);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const open = async (path: string, cookie = administrator) =>
    (await fetch(app.url + path, { headers: { cookie } })).text();
  const say = async (id: number, columns: Record<string, string>): Promise<number> => {
    const fields = Object.entries(columns).map(([header, target]) => [`column:${header}`, target]);
    const response = await submit(
      app,
      `/imports/${id}/columns`,
      Object.fromEntries(fields) as Record<string, string>,
      { cookie: administrator },
    );
    expect(response.status).toBe(303);
    return Number(response.headers.get('location')!.split('/').at(-1));
  };
  /** What is chosen for a header; `undefined` where the page does not ask. */
  const chosen = (html: string, header: string) => {
    const [, options] =
      new RegExp(`<select[^>]* name="column:${header}"[^>]*>(.*?)</select>`, 's').exec(html) ?? [];
    if (options === undefined) return undefined;
    return /<option[^>]* selected>([^<]*)/.exec(options)?.[1] ?? /<option[^>]*>([^<]*)/.exec(options)?.[1];
  };
  const targets = async (id: number) =>
    (await client.batch(id)).understood!.columns!.map(({ target }) => target);

  /** Break it: in `namedColumns`, keep only the headers that no row has. */
  it('shows what a column was said to stand for, and lets it be something else', async () => {
    const said = await say(await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']), {
      'E-mail': 'First Name',
      'First Name': ':Email',
      Remark: '-',
    });
    const html = await open(`/imports/${said}`);
    expect(chosen(html, 'E-mail')).toBe('is First Name');
    expect(chosen(html, 'First Name')).toBe('is :Email');
    expect(chosen(html, 'Remark')).toBe('is left out');
    expect(chosen(html, 'Level')).toBeUndefined();

    const again = await say(said, { 'E-mail': ':Email', 'First Name': '', Remark: '-' });
    expect(await targets(again)).toEqual([':UniqueId', ':Email', 'First Name', 'Level', null]);
    expect(chosen(await open(`/imports/${again}`), 'First Name')).toBeUndefined();
  });

  /** Break it: in `namedColumns`, leave `nearest` out of `meant`. */
  it('offers the nearest name for a column that no row has', async () => {
    const html = await open(`/imports/${await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x'])}`);
    expect(chosen(html, 'E-mail')).toBe('is :Email');
    expect(chosen(html, 'Remark')).toBe('stays as it is');
  });

  /** Break it: in `ConfirmationPage.render`, let `mayImport` be true. */
  it('offers a viewer nothing that a viewer may not send', async () => {
    const id = await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']);
    expect(await open(`/imports/${id}`)).toContain(`action="/imports/${id}/columns"`);
    const shown = await open(`/imports/${id}`, viewer);
    expect(shown).toContain('First rows');
    expect(shown.match(/action="[^"]+"/g)).toEqual(['action="/logout"']);
  });

  /** Break it: in `ConfirmationPage.render`, leave the buttons as they are. */
  it('warns of a file without a valid row, and asks before it is confirmed', async () => {
    const id = await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']);
    const html = await open(`/imports/${id}`);
    expect(html).toContain(
      'No row is valid: confirming imports nothing. Map the columns below, or mend the file.',
    );
    expect(html).toContain('popovertarget="confirm-confirm"');
    expect(html).toContain('Confirm without a valid row?');
  });

  /** Break it: in `leftOutText`, answer null. */
  it('says how many rows are left out, if any', async () => {
    const some = await upload([KNOWN, 'M-1,a@example.org,Ada,Fellow', 'M-2,b@example.org,Bob,Boss']);
    const html = await open(`/imports/${some}`);
    expect(html).toContain('1 invalid row is left out.');
    expect(html).not.toContain('No row is valid');
    const none = await upload([KNOWN, 'M-1,a@example.org,Ada,Fellow']);
    expect(await open(`/imports/${none}`)).not.toContain('left out.');
  });
});
