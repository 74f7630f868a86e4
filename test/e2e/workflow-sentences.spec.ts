import type {
  AttributeDefinition,
  WorkflowDefinition,
  WorkflowTargetConfiguration,
} from '../../src/workflows/definition.js';
import { corpus } from '../support/corpora.js';
import { eventually } from '../support/eventually.js';
import { jsonl } from '../support/import-client.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { documentedWorkflow, WorkflowWorld } from '../support/workflow-world.js';

const ada = { ':UniqueId': 'M-1', ':Email': 'ada@example.org', 'First Name': 'Ada' };
const bob = { ':UniqueId': 'M-2', ':Email': 'bob@example.org', 'First Name': 'Bob' };
const action = (id: number, name: string, kind: string, more = {}) =>
  ({ id, name, inputs: ['First Name'], primary: { kind, ...more } }) as never;

/** The sentences of workflow.md, in its order and words, each on real servers. Other files go into each deeper. */
describe('workflow.md', () => {
  let sink: SmtpSink;
  let app: TestApp;
  let count = 0;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    app = await startTestApp({ SMTP_URL: sink.url, CHUNK_SIZE: '4' });
  });
  afterAll(async () => {
    await app.close();
    await sink.down();
  });

  const named = () => `workflow-${++count}`;
  const given = (definition: WorkflowDefinition, target: Partial<WorkflowTargetConfiguration> = {}) =>
    WorkflowWorld.make(app, definition, target);
  const members = (target: Partial<WorkflowTargetConfiguration> = {}) =>
    given(documentedWorkflow(named()), target);
  /** A workflow with one attribute of this type, set by every row. */
  const having = (attribute: AttributeDefinition) => {
    const definition = documentedWorkflow(named(), { inputs: [attribute.name] });
    definition.steps[0]!.actions = [];
    return given({ ...definition, attributes: [attribute] });
  };

  describe('Definition', () => {
    it('An import record performs exactly one action on exactly one instance, or is rejected with a reason', async () => {
      const world = await members();
      expect(await world.import([ada, { ...ada, Level: 'Felow' }])).toEqual(['created', 'not_an_option']);
      const [instance] = await world.instances();
      expect((await world.instance(instance!.id)).log.items).toHaveLength(1);
    });

    it('JSON, versioned, validated against our own JSON Schema when saved', async () => {
      const { client, name } = await members();
      const changed = { ...documentedWorkflow(name), title: 'Another' };
      const path = `/API/Workflows/${name}`;
      expect((await client.call('PUT', path, { body: changed })).body.version).toBe(2);
      const wrong = await client.call('PUT', path, { body: { ...changed, title: 7 } });
      expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([400, '/title']);
    });

    it.each<[AttributeDefinition['type'], unknown, unknown, Partial<AttributeDefinition>?]>([
      ['ShortText', ' as it is ', ' as it is '],
      ['LongText', 'two\nlines', 'two\nlines'],
      ['RichText', '<b>bold</b><script>alert(1)</script>', '<b>bold</b>'],
      ['Numeric', '0012.3400', 12.34],
      ['Numeric', '12345678901234567890.123456789', '12345678901234567890.123456789'],
      ['Boolean', 'true', true],
      ['Date', '2026-02-28', '2026-02-28'],
      ['DateTime', '2026-02-28T12:00:00+02:00', '2026-02-28T10:00:00Z'],
      ['PickList', 'Fellow', 'Fellow', { options: ['Associate', 'Fellow'] }],
      ['MultiSelectList', 'A;B', ['A', 'B'], { options: ['A', 'B'] }],
      ['Email', 'ada@example.org', 'ada@example.org'],
      ['Url', 'https://example.org/x', 'https://example.org/x'],
    ])('Attribute types: %s (%j is kept as %j)', async (type, sent, kept, more = {}) => {
      const world = await having({ name: 'A', type, ...more });
      expect(await world.import([{ ':UniqueId': '1', A: sent }])).toEqual(['created']);
      expect((await world.instances())[0]!.attributes.A).toEqual(kept);
    });

    it.each<[AttributeDefinition['type'], unknown, string, Partial<AttributeDefinition>?]>([
      ['ShortText', 'x', 'x'],
      ['Numeric', 12.5, '12.5'],
      ['Boolean', false, 'false'],
      ['Date', '2026-01-31', '2026-01-31'],
      ['PickList', 'Fellow', 'Fellow', { options: ['Fellow'] }],
      ['MultiSelectList', ['A', 'B;C'], 'A;B\\;C', { options: ['A', 'B;C'] }],
    ])(
      'From CSV every value is a string and is parsed by its type; from JSON both the native type and its string form are accepted (%s)',
      async (type, native, text, more = {}) => {
        const world = await having({ name: 'A', type, ...more });
        const rows = [native, text].map((A) => ({ ':UniqueId': '1', A }));
        expect(await world.import(rows)).toEqual(['created', 'unchanged']);
        expect((await world.instances())[0]!.attributes.A).toEqual(native);
      },
    );

    it('Dates are ISO 8601; `01/02/2026` is rejected with a message that says the accepted form, never guessed', async () => {
      const world = await members();
      const [record] = await world.records([{ ...ada, 'Date Of Birth': '01/02/2026' }]);
      expect(record!.error).toMatchObject({
        code: 'not_a_date',
        message: expect.stringContaining('YYYY-MM-DD'),
      });
    });

    it('Primary kinds: save, moveToStep (with step), completeSuccessfully, completeUnsuccessfully, makeIncomplete. Instance status: incomplete, completed_successfully, completed_unsuccessfully', async () => {
      const definition = documentedWorkflow(named(), {}, [
        action(12, 'Move', 'moveToStep', { step: 'Review' }),
        action(13, 'Succeed', 'completeSuccessfully'),
        action(14, 'Fail', 'completeUnsuccessfully'),
        action(15, 'Undo', 'makeIncomplete'),
      ]);
      definition.steps[2]!.actsOnTerminal = true;
      const world = await given(definition);
      const states: string[] = [];
      for (const id of [11, 12, 13, 14, 15]) {
        await world.import([{ ...ada, ':WorkflowActionId': id }]);
        const [instance] = await world.instances();
        states.push(`${instance!.status} ${instance!.step}`);
      }
      expect(states).toEqual([
        'incomplete Application',
        'incomplete Review',
        'completed_successfully Review',
        'completed_unsuccessfully Review',
        'incomplete Review',
      ]);
    });

    it.each([
      [false, ['created', 'unchanged', 'updated', 'instance_completed']],
      [true, ['created', 'unchanged', 'updated', 'updated']],
    ])(
      'A data import step lies outside the step sequence: its actions can be performed at any time; on a completed instance only if actsOnTerminal (%s)',
      async (actsOnTerminal, expected) => {
        const definition = documentedWorkflow(named(), {}, [action(12, 'Succeed', 'completeSuccessfully')]);
        definition.steps[2]!.actsOnTerminal = actsOnTerminal;
        const world = await given(definition);
        const complete = { ':UniqueId': 'M-1', ':WorkflowActionName': 'Succeed' };
        expect(await world.import([ada, ada, complete, { ...ada, 'First Name': 'Eve' }])).toEqual(expected);
      },
    );
  });

  describe('Action', () => {
    const two = () => documentedWorkflow(named(), {}, [action(12, 'Revoke', 'makeIncomplete')]);
    const performed = async (world: WorkflowWorld) => {
      const [instance] = await world.instances();
      return (await world.instance(instance!.id)).log.items.map((entry) => entry.action);
    };

    it(':WorkflowActionId or :WorkflowActionName in the row (both: rejected)', async () => {
      const world = await given(two());
      const rows = [
        { ...ada, ':WorkflowActionId': 12 },
        { ...ada, ':WorkflowActionName': 'Grant', 'First Name': 'Eve' },
        { ...ada, ':WorkflowActionId': 12, ':WorkflowActionName': 'Revoke' },
      ];
      expect(await world.import(rows)).toEqual(['created', 'updated', 'action_chosen_twice']);
      expect(await performed(world)).toEqual(['Grant', 'Revoke']);
    });

    it("else the import process's action", async () => {
      const world = await given(two(), { action: 'Revoke' });
      await world.import([ada]);
      expect(await performed(world)).toEqual(['Revoke']);
    });

    it("else the step's only action", async () => {
      const world = await given(documentedWorkflow(named()), { action: undefined });
      expect(await world.import([ada])).toEqual(['created']);
    });

    it('else rejected ambiguous_action', async () => {
      const world = await given(two(), { action: undefined });
      expect(await world.import([ada])).toEqual(['ambiguous_action']);
    });
  });

  describe('Match', () => {
    it("identifiers present and non-blank in the row, tried in the definition's order; a blank one beside another is absent", async () => {
      const world = await members();
      const rows = [
        ada,
        { ':Email': 'ADA@example.org', 'First Name': 'Eve' },
        { ':UniqueId': 'M-1', ':Email': ' ' },
        { ':UniqueId': '', ':Email': ' ' },
      ];
      expect(await world.import(rows)).toEqual(['created', 'updated', 'unchanged', 'no_identifier']);
    });

    it.each([
      ['create', 'created'],
      ['reject', 'no_match'],
    ] as const)('None found → onNoMatch: %s', async (onNoMatch, expected) => {
      const world = await members({ onNoMatch });
      expect(await world.import([ada])).toEqual([expected]);
    });

    it.each([
      ['update', 'updated'],
      ['reject', 'already_exists'],
      ['skip', 'skipped'],
    ] as const)('One → onMatch: %s', async (onMatch, expected) => {
      const world = await members({ onMatch });
      expect(await world.import([ada, { ...ada, 'First Name': 'Eve' }])).toEqual(['created', expected]);
    });

    it('Identifiers that point at different instances → rejected ambiguous_match', async () => {
      const world = await members();
      const mixed = { ...ada, ':Email': bob[':Email'] };
      expect(await world.import([ada, bob, mixed])).toEqual(['created', 'created', 'ambiguous_match']);
    });

    it('Two rows of one batch with the same identifiers: applied in line order', async () => {
      const world = await members();
      // Also across chunks, which have four rows here.
      const rows = Array.from({ length: 20 }, (_, n) => ({ ...ada, 'First Name': `Name ${n}` }));
      expect(await world.import(rows)).toEqual(['created', ...new Array<string>(19).fill('updated')]);
      const [instance] = await world.instances();
      const names = (await world.instance(instance!.id)).log.items.map(
        ({ changes }) => changes['First Name'],
      );
      expect(names.reverse()).toEqual(
        rows.map((row, n) => [rows[n - 1]?.['First Name'] ?? null, row['First Name']]),
      );
    });
  });

  it('Columns: a key that is neither an identifier, a :Workflow… column, nor an input of the action is rejected in pass 1 (unknown_column), with the nearest known name as a hint', async () => {
    const world = await members();
    const [record] = await world.records([{ ...ada, 'Frist Name': 'Ada' }]);
    expect([record!.status, record!.error!.code]).toEqual(['invalid', 'unknown_column']);
    expect(record!.error!.message).toContain('Did you mean "First Name"?');
  });

  it('Values: absent = leave as is; null or an empty cell = clear (rejected when required)', async () => {
    const world = await given(documentedWorkflow(named(), { required: ['First Name'] }));
    const key = { ':UniqueId': 'M-1', 'First Name': 'Ada' };
    await world.import([{ ...key, Level: 'Fellow', Hours: 3 }]);
    expect(await world.import([{ ...key, Level: null }])).toEqual(['updated']);
    expect((await world.instances())[0]!.attributes).toEqual({ ...key, Hours: 3 });
    expect(await world.import([{ ...key, Hours: '' }])).toEqual(['updated']);
    expect((await world.instances())[0]!.attributes).toEqual(key);
    const blank = [null, '', undefined].map((value) => ({ ':UniqueId': 'M-1', 'First Name': value }));
    expect(await world.import(blank)).toEqual(['required', 'required', 'required']);
  });

  describe('Effect', () => {
    it('attributes, status and step change, one log entry (batch, line, action, before/after, who)', async () => {
      const world = await given(documentedWorkflow(named(), { primary: { kind: 'completeSuccessfully' } }));
      await world.import([bob, ada]);
      const instance = (await world.instances()).find(({ attributes }) => attributes[':UniqueId'] === 'M-1');
      const { log, status } = await world.instance(instance!.id);
      expect(status).toBe('completed_successfully');
      expect(log.items).toEqual([
        expect.objectContaining({
          ...{
            batchId: expect.any(Number),
            line: 2,
            action: 'Grant',
            actor: expect.stringMatching(/^api-key:/),
          },
          changes: {
            ...Object.fromEntries(Object.entries(ada).map(([name, value]) => [name, [null, value]])),
            ':WorkflowStatus': [null, 'completed_successfully'],
            ':WorkflowStep': [null, 'Application'],
          },
        }),
      ]);
    });

    it('If nothing would change: unchanged, no write', async () => {
      const world = await members();
      await world.import([ada]);
      const [before] = await world.instances();
      expect(await world.import([{ ...ada, ':Email': 'ADA@example.org' }])).toEqual(['unchanged']);
      expect((await world.instances())[0]).toEqual(before);
      expect((await world.instance(before!.id)).log.items).toHaveLength(1);
    });
  });

  it('Behaviors run after commit, from an outbox, retried, each at most once per record; a mail server that is down fails no row', async () => {
    const world = await given(
      documentedWorkflow(named(), {
        behaviors: [
          { kind: 'setAttribute', name: 'Granted On', value: '{{now}}' },
          { kind: 'sendEmail', to: ':Email', subject: 'Granted', template: 'Dear {{First Name}}' },
        ],
      }),
    );
    await sink.down();
    expect(await world.import([ada, bob])).toEqual(['created', 'created']);
    const [first] = await world.instances();
    expect(first!.attributes['Granted On']).toEqual(expect.stringMatching(/^\d{4}-/));
    await sink.up();
    await eventually(() => sink.mails.length >= 2, 'both mails', 45_000);
    await eventually(async () => {
      const { behaviors } = await world.instance(first!.id);
      return behaviors.items.every(({ status }) => status === 'sent');
    }, 'the mail to be written down as sent');
    expect(sink.mails.map(({ text }) => text!.trim()).sort()).toEqual(['Dear Ada', 'Dear Bob']);
  });

  it("One record's failure never affects another's, whatever the cause (a unique violation in the middle of a chunk included)", async () => {
    const world = await members();
    await world.import([bob]);
    const rows = [
      { ':UniqueId': 'M-3', 'First Name': 'Cleo' },
      { ...ada, ':Email': 'bob@example.org', ':UniqueId': 'M-4' },
      { ':UniqueId': 'M-4', ':Email': 'cleo@example.org' },
      { ':UniqueId': 'M-3', ':Email': 'cleo@example.org' },
      { ':UniqueId': 'M-5', 'First Name': 'a\u0000b' },
      { ':UniqueId': 'M-6', 'First Name': 'Finn' },
    ];
    expect(await world.import(rows)).toEqual([
      ...['created', 'updated', 'updated', 'ambiguous_match', 'unstorable_text', 'created'],
    ]);
    // Two batches that create the same things at once: for each row, one of them comes too late.
    const same = Array.from({ length: 12 }, (_, n) => ({ ':UniqueId': `N-${n}`, 'First Name': 'Gus' }));
    const [first, second] = await Promise.all([world.import(same), world.import(same)]);
    const pairs = first.map((outcome, n) => [outcome, second[n]].sort().join());
    expect(pairs).toEqual(same.map(() => 'created,unchanged'));
  });

  it('A batch can be previewed: the same resolution, set-based, without effects', async () => {
    const world = await members();
    await world.import([ada, bob]);
    const before = await world.instances();
    const rows = [
      { ...ada, 'First Name': 'Eve' },
      bob,
      { ':UniqueId': 'M-3', 'First Name': 'Cleo' },
      { ...ada, ':Email': bob[':Email'] },
      { ':Email': 'ADA@example.org', 'First Name': 'Fay' },
    ];
    const answer = await world.client.upload(jsonl(rows), { importProcessId: world.processId });
    const { self, records } = answer.body.links;
    const preview = (await world.client.get(`${self}/Preview?limit=100`)).body.items as {
      operation: string;
      error: { code: string } | null;
    }[];
    expect(preview.map(({ operation, error }) => error?.code ?? operation)).toEqual([
      ...['updated', 'unchanged', 'created', 'ambiguous_match', 'updated'],
    ]);
    expect(await world.instances()).toEqual(before);

    await world.client.post(`${self}/Confirm`);
    await world.client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const became = (await world.client.get(`${records}?limit=100`)).body.items as {
      operation: string;
      error: { code: string } | null;
    }[];
    expect(became.map(({ operation, error }) => error?.code ?? operation)).toEqual([
      ...['updated', 'unchanged', 'created', 'ambiguous_match', 'updated'],
    ]);
  });

  describe('the naughty strings', () => {
    const strings = (JSON.parse(corpus('strings/blns.json').toString()) as string[]).filter(
      (text) => text !== '',
    );
    const through = async (type: AttributeDefinition['type']) => {
      const world = await having({ name: 'A', type });
      const rows = strings.map((A, n) => ({ ':UniqueId': String(n), A }));
      const outcomes: string[] = [];
      for (let from = 0; from < rows.length; from += 200) {
        outcomes.push(...(await world.import(rows.slice(from, from + 200))));
      }
      const exported = await world.client.get(`/API/Workflows/${world.name}/Instances/Export`);
      const kept = new Map<number, unknown>();
      for (const line of (exported.body as string).trimEnd().split('\n')) {
        const { attributes } = JSON.parse(line) as { attributes: Record<string, string> };
        kept.set(Number(attributes[':UniqueId']), attributes.A);
      }
      return { world, rows, outcomes, kept };
    };

    it.each(['ShortText', 'LongText'] as const)('are kept exactly as %s', async (type) => {
      const { outcomes, kept } = await through(type);
      expect(new Set(outcomes)).toEqual(new Set(['created']));
      expect(strings.filter((text, n) => kept.get(n) !== text)).toEqual([]);
    });

    it('are kept as RichText without anything that runs, and unchanged if sent again', async () => {
      const { world, outcomes, kept } = await through('RichText');
      expect(new Set(outcomes)).toEqual(new Set(['created']));
      const texts = [...kept.values()].filter((text) => text !== undefined) as string[];
      for (const text of texts)
        expect(text).not.toMatch(/<script|<iframe|<[^>]*\son\w+\s*=|<[^>]*=["'\s]*javascript:/i);
      const again = texts.slice(0, 100).map((A, n) => ({ ':UniqueId': `again ${n}`, A }));
      expect(new Set(await world.import([...again, ...again]))).toEqual(new Set(['created', 'unchanged']));
    });

    it.each([
      ['Email', 'not_an_email', /^[^\s@]+@[^\s@]+$/],
      ['Url', 'not_a_url', /^https?:\/\//i],
      ['PickList', 'not_an_option', /^$/],
    ] as const)('are no %s, each refused alone, or are one as it is', async (type, code, form) => {
      const more = type === 'PickList' ? { options: ['A'] } : {};
      const world = await having({ name: 'A', type, ...more });
      const sample = strings.filter((_, n) => n % 3 === 0).slice(0, 190);
      const outcomes = await world.import(sample.map((A, n) => ({ ':UniqueId': String(n), A })));
      sample.forEach((text, n) =>
        expect([text, form.test(text) && outcomes[n] === 'created' ? code : outcomes[n]]).toEqual([
          text,
          code,
        ]),
      );
    });
  });
});
