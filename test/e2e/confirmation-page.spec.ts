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
  it('shows the field that a column is matched to, and lets it be changed', async () => {
    const said = await say(await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']), {
      'E-mail': 'First Name',
      'First Name': ':Email',
      Remark: '-',
    });
    const html = await open(`/imports/${said}`);
    expect(chosen(html, 'E-mail')).toBe('First Name');
    expect(chosen(html, 'First Name')).toBe('Email');
    expect(chosen(html, 'Remark')).toBe('Don&#x27;t import');
    expect(chosen(html, 'Level')).toBeUndefined();

    const again = await say(said, { 'E-mail': ':Email', 'First Name': '', Remark: '-' });
    expect(await targets(again)).toEqual([':UniqueId', ':Email', 'First Name', 'Level', null]);
    expect(chosen(await open(`/imports/${again}`), 'First Name')).toBeUndefined();
  });

  /** Break it: in `namedColumns`, leave `nearest` out of `meant`. */
  it('proposes the nearest field for an unknown column', async () => {
    const html = await open(`/imports/${await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x'])}`);
    expect(chosen(html, 'E-mail')).toBe('Email');
    expect(chosen(html, 'Remark')).toBe('Keep name');
  });

  /** Break it: in `ConfirmationPage.render`, let `mayImport` be true. */
  it('offers a viewer no form that a viewer may not send', async () => {
    const id = await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']);
    expect(await open(`/imports/${id}`)).toContain(`action="/imports/${id}/columns"`);
    const shown = await open(`/imports/${id}`, viewer);
    expect(shown).toContain('First rows');
    expect(shown.match(/action="[^"]+"/g)).toEqual(['action="/logout"']);
  });

  /** Break it: in `ConfirmationPage.render`, offer every button. */
  it('offers no confirmation of a file without a valid row, and says what to do', async () => {
    const id = await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']);
    const html = await open(`/imports/${id}`);
    expect(html).toContain('No row can be imported yet. Match the columns below.');
    expect(html).not.toContain(`/imports/${id}/confirm`);
    expect(html).toContain(`action="/imports/${id}/abandon"`);
  });

  /** Break it: in confirmation.hbs, leave out `leftOut`. */
  it('states how many rows will not be imported, if any', async () => {
    const some = await upload([KNOWN, 'M-1,a@example.org,Ada,Fellow', 'M-2,b@example.org,Bob,Boss']);
    const html = await open(`/imports/${some}`);
    expect(html).toContain('1 invalid row will not be imported.');
    expect(html).not.toContain('No row can be imported');
    const none = await upload([KNOWN, 'M-1,a@example.org,Ada,Fellow']);
    expect(await open(`/imports/${none}`)).not.toContain('will not be imported.');
  });
});
