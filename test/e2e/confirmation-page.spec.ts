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

  /** Break it: in `mappingOf`, do not delete what was decided before. */
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
    expect(chosen(html, 'Level')).toBe('Level');

    const again = await say(said, { 'E-mail': ':Email', 'First Name': '', Remark: '-' });
    expect(await targets(again)).toEqual([':UniqueId', ':Email', 'First Name', 'Level', null]);
    expect(chosen(await open(`/imports/${again}`), 'First Name')).toBe('First Name');
  });

  /** Break it: in `applySimilar`, take the nearest field. */
  it('applies names that are written differently, and only hints at similar ones', async () => {
    const header = ':UniqueId,E-mail,FIRST_NAME,Levell,Remark';
    const html = await open(`/imports/${await upload([header, 'M-1,a@example.org,Ada,Fellow,x'])}`);
    expect(chosen(html, 'E-mail')).toBe('Email');
    expect(chosen(html, 'FIRST_NAME')).toBe('First Name');
    expect(chosen(html, 'Levell')).toBe('Choose a field');
    expect(html).toContain('Did you mean Level?');
    expect(html).toContain('Not imported, because they match no field: Levell, Remark.');
    expect(chosen(html, 'Remark')).toBe('Choose a field');
  });

  /** Break it: in `ConfirmationPage.render`, let `mayImport` be true. */
  it('offers a viewer no form that a viewer may not send', async () => {
    const id = await upload([UNKNOWN, 'M-1,a@example.org,Ada,Fellow,x']);
    expect(await open(`/imports/${id}`)).toContain(`action="/imports/${id}/columns"`);
    const shown = await open(`/imports/${id}`, viewer);
    expect(shown).toContain('Rows by what they would do');
    expect(shown.match(/action="[^"]+"/g)).toEqual(['action="/logout"']);
  });

  /** Break it: in `ConfirmationPage.render`, offer every button. */
  it('offers no confirmation of a file without a valid row, and says what to do', async () => {
    const id = await upload([':UniqueId,Vorname', 'M-1,Ada']);
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

  /** Break it: in `changedChoices`, send every choice; or send none. */
  it('shows how the file was read, and reads it again by the choices that were changed', async () => {
    const id = await upload(['Members;;', ':UniqueId;First Name;Hours', 'M-1;Ann;4,0', ';;']);
    const before = await open(`/imports/${id}`);
    expect(before).toMatch(/<option value="2" selected>in row 2<\/option>/);
    expect(before).toMatch(/<option value="comma" selected>comma/);
    expect(before).toContain('1 empty row skipped');
    expect(before).toContain('Import 1 row');
    const choices = {
      headerRow: '2',
      delimiter: ';',
      decimalMark: 'point',
      dateOrder: 'iso',
      emptyCells: 'keep',
    };
    const response = await submit(app, `/imports/${id}/read`, choices, { cookie: administrator });
    expect([response.status, response.headers.get('location')]).toEqual([303, `/imports/${id}`]);
    expect(await client.batch(id)).toMatchObject({
      recordCounts: { total: 1, invalid: 1 },
      understood: { headerRow: 2, decimalMark: 'point' },
    });
    expect(await open(`/imports/${id}`)).toMatch(
      /<td [^>]*class="is-wrong[^"]*">4,0 <small[^>]*>[^<]*must be a decimal number/,
    );
    const refused = await submit(app, `/imports/${id}/read`, { headerRow: '20' }, { cookie: administrator });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('Choose the row that names the columns');
  });

  /** Browsers send line breaks in the names of form fields as CRLF. */
  it('matches columns whose header has a line break, is empty, or is too long for a form', async () => {
    const long = 'x'.repeat(300);
    const id = await upload([`:UniqueId,"First\nName 1",,${long}`, 'M-1,Ann,ann@example.org,Fellow']);
    const html = await open(`/imports/${id}`);
    expect(html).toContain('name="column:3" data-header="(column 3)"');
    expect(html).toContain(`name="column:4" data-header="${long}"`);
    await say(id, { 'First\r\nName 1': 'First Name', '3': ':Email', '4': 'Level' });
    expect(await targets(id)).toEqual([':UniqueId', 'First Name', ':Email', 'Level']);
  });
});
