import { grantRole } from '../support/grant-role-definition.js';
import { ImportClient } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the page of the fields of a workflow', () => {
  let test: TestApp;
  let client: ImportClient;
  let cookie: string;

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    cookie = await signIn(test);
    await client.setUp(grantRole({ grant: { required: ['First Name'] } }), {}, { name: 'Members' });
  });
  afterAll(() => test.close());

  const page = async (path: string) => (await fetch(test.url + path, { headers: { cookie } })).text();
  const post = (fields: Record<string, string>) =>
    fetch(`${test.url}/workflows/grant-role/fields`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, origin: test.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields),
    });
  /** The form as it is shown, as a browser sends it. */
  const formOf = (html: string): Record<string, string> => {
    const fields: Record<string, string> = {};
    for (const [, attributes = ''] of html.matchAll(/<input\b([^>]*)>/g)) {
      const name = /name="([^"]*)"/.exec(attributes)?.[1];
      if (name === undefined || (/type="checkbox"/.test(attributes) && !/ checked/.test(attributes)))
        continue;
      fields[name] = /value="([^"]*)"/.exec(attributes)?.[1] ?? '';
    }
    for (const [, name = '', inner = ''] of html.matchAll(
      /<select[^>]*name="([^"]*)"[^>]*>(.*?)<\/select>/gs,
    )) {
      fields[name] = /value="([^"]*)" selected/.exec(inner)?.[1] ?? '';
    }
    for (const [, name = '', text = ''] of html.matchAll(
      /<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)<\/textarea>/gs,
    )) {
      fields[name] = text;
    }
    return fields;
  };

  it('renames, adds and removes fields as a new version, which the workflow lists', async () => {
    const form = formOf(await page('/workflows/grant-role/fields'));
    const nameOf = (name: string) =>
      Object.keys(form)
        .find((key) => key.endsWith(':header') && form[key] === name)
        ?.replace(':header', '') ?? '';
    const first = nameOf('First Name');
    const notes = nameOf('Notes');
    const added = Object.keys(form).find((key) => key.endsWith(':header') && form[key] === '') ?? '';
    const { [`${notes}:imported`]: _removed, ...rest } = form;
    const answer = await post({
      ...rest,
      [`${first}:name`]: 'Given Name',
      [added.replace(':header', ':name')]: 'Team',
      [added.replace(':header', ':type')]: 'PickList',
      [added.replace(':header', ':options')]: 'A\r\nB\r\n',
    });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/workflows/grant-role?saved=2');
    const { body } = await client.get('/API/Workflows/grant-role');
    expect(body.attributes.map(({ name }: { name: string }) => name)).toEqual([
      'Given Name',
      'Last Name',
      'Date Of Birth',
      'Hours',
      'Level',
      'Team',
    ]);
    expect(body.attributes.at(-1)).toEqual({ name: 'Team', type: 'PickList', options: ['A', 'B'] });
    expect(body.steps.at(-1).actions[0].required).toEqual(['Given Name']);
    const workflow = await page('/workflows/grant-role');
    expect(workflow).toContain('added Given Name, Team; removed First Name, Notes; changed Import › Grant');
    expect(workflow).toContain('File types that use it: Members.');
  });

  it('is refused with what was entered, and when someone else saved meanwhile', async () => {
    const form = formOf(await page('/workflows/grant-role/fields'));
    const refused = await post({ ...form, 'field:0:name': 'Level' });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('Two fields are called &quot;Level&quot;');
    const late = await post({ ...form, version: '1' });
    expect(late.status).toBe(409);
    expect(await late.text()).toContain('version 1');
  });
});
