import { grantRole } from '../support/grant-role-definition.js';
import { ImportClient } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the form of a workflow, without JavaScript', () => {
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
  type Fields = Record<string, string | string[]>;
  const post = (fields: Fields, path = '/workflows/grant-role/edit') =>
    fetch(test.url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, origin: test.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(
        Object.entries(fields).flatMap(([name, values]) =>
          [values].flat().map((value): [string, string] => [name, value]),
        ),
      ),
    });
  /** The form as it is shown, as a browser sends it. */
  const formOf = (html: string): Fields => {
    const fields: Fields = {};
    const add = (name: string, value: string) => {
      const present = fields[name];
      fields[name] = present === undefined ? value : [present, unescaped(value)].flat();
      if (present === undefined) fields[name] = unescaped(value);
    };
    for (const [, attributes = ''] of html.matchAll(/<input\b([^>]*)>/g)) {
      const name = /name="([^"]*)"/.exec(attributes)?.[1];
      if (name === undefined || (/type="checkbox"/.test(attributes) && !/ checked/.test(attributes)))
        continue;
      add(name, /value="([^"]*)"/.exec(attributes)?.[1] ?? '');
    }
    for (const [, name = '', inner = ''] of html.matchAll(
      /<select[^>]*name="([^"]*)"[^>]*>(.*?)<\/select>/gs,
    )) {
      add(name, /value="([^"]*)" selected/.exec(inner)?.[1] ?? '');
    }
    for (const [, name = '', text = ''] of html.matchAll(
      /<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)<\/textarea>/gs,
    )) {
      add(name, text);
    }
    return fields;
  };
  const unescaped = (value: string) =>
    value
      .replaceAll('&#x27;', "'")
      .replaceAll('&quot;', '"')
      .replaceAll('&#x3D;', '=')
      .replaceAll('&amp;', '&');
  /** The form after a button other than "save", which sends what was entered so far. */
  const press = async (fields: Fields, button: string, path?: string): Promise<Fields> => {
    const answer = await post({ ...fields, do: button }, path);
    expect(answer.status).toBe(200);
    return formOf(await answer.text());
  };
  const place = (fields: Fields, was: string) =>
    Object.keys(fields)
      .find((key) => key.endsWith('.was') && fields[key] === was)
      ?.replace('.was', '') ?? '';

  it('builds a workflow from nothing: two steps, an action with a rule, and a mail', async () => {
    const path = '/workflows';
    let form = formOf(await page('/workflows/new'));
    form = await press(
      { ...form, title: 'Ärzte & Ämter', entityType: 'Doctor', 'identifiers.0.name': 'Number' },
      'add:attributes',
      path,
    );
    form = await press(
      {
        ...form,
        'attributes.0.name': 'Mail',
        'attributes.0.type': 'Email',
        'attributes.1.name': 'Level',
        'attributes.1.type': 'PickList',
        'attributes.1.options': 'A\r\nB',
      },
      'add:steps.0.actions.0.rules',
      path,
    );
    const rule = 'steps.0.actions.0.rules.0';
    form = await press(
      { ...form, [`${rule}.message`]: 'B needs an address' },
      `add:${rule}.when.conditions`,
      path,
    );
    form = await press(
      {
        ...form,
        [`${rule}.when.conditions.0.field`]: 'Level',
        [`${rule}.when.conditions.0.value`]: 'B',
        [`${rule}.require.conditions.0.field`]: 'Mail',
        [`${rule}.require.conditions.0.operator`]: 'filled',
      },
      'add:steps.0.actions.0.behaviors:sendEmail',
      path,
    );
    const mail = 'steps.0.actions.0.behaviors.0';
    form = await press({ ...form, [`${mail}.to`]: 'Mail', [`${mail}.subject`]: 'Hello' }, 'add:steps', path);
    form = { ...form, 'steps.1.name': 'Review', do: 'save' };
    const refused = await post(form, path);
    expect(refused.status).toBe(400);
    const html = await refused.text();
    expect(html).toMatch(
      /<textarea[^>]*name="steps\.0\.actions\.0\.behaviors\.0\.template"[^>]*aria-invalid="true"/,
    );
    expect(html).toContain('Fill this in.');
    const answer = await post(
      { ...formOf(html), [`${mail}.template`]: 'Dear {{Number}}'.replace('Number', ':Number') },
      path,
    );
    expect(answer.headers.get('location')).toBe('/workflows/arzte-amter?saved=1');
    const { body } = await client.get('/API/Workflows/arzte-amter');
    expect(body).toMatchObject({
      title: 'Ärzte & Ämter',
      identifiers: [{ name: ':Number', unique: true }],
      steps: [
        {
          kind: 'dataImport',
          actions: [
            {
              inputs: ['Mail', 'Level'],
              rules: [
                {
                  when: { properties: { Level: { const: 'B' } }, required: ['Level'] },
                  require: { required: ['Mail'] },
                },
              ],
              behaviors: [{ kind: 'sendEmail', to: 'Mail', subject: 'Hello', template: 'Dear {{:Number}}' }],
            },
          ],
        },
        { name: 'Review', kind: 'dataEntry' },
      ],
    });
  });

  it('renames, adds and removes fields as a new version, which the workflow lists', async () => {
    let form = formOf(await page('/workflows/grant-role/edit'));
    form[`${place(form, 'First Name')}.name`] = 'Given Name';
    form = await press(form, `remove:${place(form, 'Notes')}`);
    form = await press(form, 'add:attributes');
    const added = place(form, '');
    const answer = await post({
      ...form,
      [`${added}.name`]: 'Team',
      [`${added}.type`]: 'PickList',
      [`${added}.options`]: 'A\r\nB\r\n',
    });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/workflows/grant-role?saved=2');
    const { body } = await client.get('/API/Workflows/grant-role');
    const names = body.attributes.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['Given Name', 'Last Name', 'Date Of Birth', 'Hours', 'Level', 'Team']);
    expect(body.attributes.at(-1)).toEqual({ name: 'Team', type: 'PickList', options: ['A', 'B'] });
    expect(body.steps.at(-1).actions[0].required).toEqual(['Given Name']);
    const workflow = await page('/workflows/grant-role');
    expect(workflow).toContain(
      'added Given Name, Team; removed First Name, Notes; changed Import › Grant (inputs, required)',
    );
    expect(workflow).toContain('File types that use it: Members.');
  });

  it('is refused beside the input, with what was entered, and when someone else saved meanwhile', async () => {
    const form = formOf(await page('/workflows/grant-role/edit'));
    const refused = await post({ ...form, 'attributes.0.name': 'Level', 'attributes.1.maxLength': 'many' });
    expect(refused.status).toBe(400);
    const html = await refused.text();
    expect(html).toMatch(
      /name="attributes\.0\.name" value="Level"|name="attributes\.\d\.name"[^>]*aria-invalid/,
    );
    expect(html).toContain('Another one already has this name or number.');
    expect(html).toMatch(/name="attributes\.1\.maxLength" value="many"[^>]*aria-invalid/);
    const late = await post({ ...form, version: '1' });
    expect(late.status).toBe(409);
    expect(await late.text()).toContain('version 1');
  });

  it('shows the same definition as JSON, and goes back with its changes', async () => {
    const form = formOf(await page('/workflows/grant-role/edit'));
    const asJson = await post({ ...form, title: 'Roles', do: 'json' });
    const source = /<textarea[^>]*>([^<]*)<\/textarea>/.exec(await asJson.text())?.[1] ?? '';
    expect(JSON.parse(unescaped(source))).toEqual({
      ...(await client.get('/API/Workflows/grant-role')).body,
      title: 'Roles',
    });
    const back = await post({ source: unescaped(source).replace('"Roles"', '"Duties"'), do: 'form' });
    expect(formOf(await back.text()).title).toBe('Duties');
    expect((await client.get('/API/Workflows/grant-role')).body.title).toBe('Grant Role');
  });

  it('refuses to show a definition that is too large for a form', async () => {
    const attributes = Array.from({ length: 900 }, (_, index) => ({ name: `F ${index}`, type: 'ShortText' }));
    await client.post('/API/Workflows', {
      ...grantRole(),
      name: 'large',
      attributes: [...grantRole().attributes, ...attributes],
    });
    const html = await page('/workflows/large/edit');
    expect(html).toContain('more than the form can show at once. Edit it as JSON.');
    expect(html).toContain('&quot;F 899&quot;');
  });
});
