import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { behaviorRow } from '../behaviors/action-effects.js';
import type {
  ActionDefinition,
  BehaviorDefinition,
  WorkflowDefinition,
  WorkflowTargetConfiguration,
} from '../definition.js';
import { identifierKey } from '../rows/row-reader.js';
import { type Match, type Resolution, resolveRows } from './resolve-rows.js';
import { compileWorkflowTarget } from './row-application.js';

const NOW = '2026-11-24T08:00:00.123Z';
const ATTRIBUTES: WorkflowDefinition['attributes'] = [
  { name: 'Name', type: 'ShortText', maxLength: 20 },
  { name: 'Short', type: 'ShortText', maxLength: 3 },
  { name: 'Hours', type: 'Numeric' },
  { name: 'Other Hours', type: 'Numeric' },
  { name: 'Areas', type: 'MultiSelectList', options: ['A', 'B;C'] },
  { name: 'Other Areas', type: 'MultiSelectList', options: ['A', 'B;C'] },
  { name: 'Granted On', type: 'Date' },
  { name: 'Granted At', type: 'DateTime' },
  { name: 'Bio', type: 'RichText' },
];

/** Resolves rows of the action `Grant`, which has these behaviors; `M-5` exists. */
function resolve(
  behaviors: BehaviorDefinition[],
  rows: JsonObject[],
  more: Partial<ActionDefinition>[] = [],
  muteBehaviors = false,
): Resolution {
  const action = (id: number, part: Partial<ActionDefinition>): ActionDefinition => ({
    id,
    name: 'Grant',
    inputs: ['Name', 'Hours', 'Areas', 'Bio'],
    primary: { kind: 'save' },
    ...part,
  });
  const definition: WorkflowDefinition = {
    name: 'roles',
    title: 'Roles',
    entityType: 'Role',
    identifiers: [
      { name: ':Id', unique: true },
      { name: ':Email', unique: true, format: 'email' },
    ],
    attributes: ATTRIBUTES,
    steps: [
      { name: 'Import', kind: 'dataImport', actions: [action(1, { behaviors })] },
      { name: 'Application', kind: 'dataEntry', actions: more.map((part, index) => action(index + 2, part)) },
    ],
  };
  const configuration: WorkflowTargetConfiguration = {
    kind: 'workflow',
    workflow: 'roles',
    step: 'Import',
    onNoMatch: 'create',
    onMatch: 'update',
    muteBehaviors,
  };
  const compiled = compileWorkflowTarget({
    workflowId: 1,
    definition,
    configuration,
    recordSchema: null,
    identifierNeeded: 'always',
  });
  const parsed = rows.map((row, index) => {
    const { row: result, error } = compiled.parseRow({ line: index + 1, payload: JSON.stringify(row) });
    if (result === undefined) throw new Error(error.message);
    return result;
  });
  const attributes = { ':Id': 'M-5', Name: 'Ada' };
  const match: Match = {
    ...{ name: ':Id', value: 'M-5', key: identifierKey(':Id', 'M-5') },
    instance: { id: 5, status: 'incomplete', step: 'Application', attributes },
  };
  return resolveRows(parsed, [match], {
    ...{ configuration, actsOnTerminal: false, firstStep: 'Application', now: NOW },
    fold: (_name, written) => written,
    effects: compiled.effects,
  });
}

const told = ({ rows }: Resolution) => rows.map((row) => `${row.line} ${row.result}`);
const changes = ({ effects }: Resolution) =>
  effects.map((effect) =>
    Object.fromEntries(effect.changes.map(({ field, before, after }) => [field, [before, after]])),
  );

describe('setAttribute', () => {
  it.each<[string, string, JsonObject, JsonValue]>([
    ['Granted At', '{{now}}', {}, '2026-11-24T08:00:00.123Z'],
    ['Granted On', '{{now}}', {}, '2026-11-24'],
    ['Name', '{{:Id}} of {{Hours}}', { Hours: 7.5 }, 'M-5 of 7.5'],
    ['Other Hours', '{{Hours}}', { Hours: '123456789012345678901.5' }, '123456789012345678901.5'],
    ['Other Hours', '{{Hours}}0', { Hours: 7 }, 70],
    ['Other Areas', '{{Areas}}', { Areas: ['B;C', 'A'] }, ['B;C', 'A']],
    ['Other Areas', '{{Areas}};A', { Areas: ['B;C'] }, ['B;C', 'A']],
    ['Name', '{{Areas}}', { Areas: ['B;C', 'A'] }, 'B;C, A'],
    ['Name', '{{Hours}}', { Hours: 1e-7 }, '0.0000001'],
  ])('sets %s to %j with %j', (name, value, row, expected) => {
    const resolution = resolve(
      [{ kind: 'setAttribute', name, value }],
      [{ ':Id': 'M-5', Name: 'Eve', ...row }],
    );
    expect(told(resolution)).toEqual(['1 updated']);
    expect(resolution.updated[0]!.attributes.get(name)).toEqual(expected);
  });

  it('is one change with what the row says, in one entry of the log', () => {
    const behavior = { kind: 'setAttribute', name: 'Name', value: '{{Name}} L.' } as const;
    expect(changes(resolve([behavior], [{ ':Id': 'M-5', Name: 'Eve' }]))).toEqual([
      { Name: ['Ada', 'Eve L.'] },
    ]);
  });

  it('clears with an empty value, also where the template finds none', () => {
    const clear: BehaviorDefinition[] = [
      { kind: 'setAttribute', name: 'Name', value: '' },
      { kind: 'setAttribute', name: 'Hours', value: '{{Other Hours}}' },
    ];
    expect(changes(resolve(clear, [{ ':Id': 'M-5', Hours: 7, Areas: 'A' }]))).toEqual([
      { Name: ['Ada', null], Areas: [null, ['A']] },
    ]);
  });

  it('rejects the row alone where the type refuses the value, and leaves the instance as it was', () => {
    const behavior = { kind: 'setAttribute', name: 'Short', value: '{{Name}}' } as const;
    const resolution = resolve(
      [behavior],
      [
        { ':Id': 'M-5', ':Email': 'new@example.org', Name: 'Augusta' },
        { ':Id': 'M-6', Name: 'Augusta' },
        { ':Id': 'M-5', Name: 'Eve' },
        { ':Email': 'new@example.org', Name: 'Bob' },
      ],
    );
    expect(told(resolution)).toEqual(['1 rejected', '2 rejected', '3 updated', '4 created']);
    expect(resolution.rows[0]).toMatchObject({
      error: {
        code: 'behavior_value_refused',
        message:
          'the behavior that sets "Short" produced a value that the attribute refuses: it must have at most 3 characters; it has 7',
      },
    });
    expect(changes(resolution)[0]).toEqual({ Name: ['Ada', 'Eve'], Short: [null, 'Eve'] });
  });
});

describe('performAction', () => {
  const more: Partial<ActionDefinition>[] = [
    {
      name: 'Finish',
      primary: { kind: 'completeSuccessfully' },
      behaviors: [
        { kind: 'setAttribute', name: 'Granted On', value: '{{now}}' },
        { kind: 'performAction', action: 'Move' },
        { kind: 'webhook', url: 'https://example.org/' },
      ],
    },
    { name: 'Move', primary: { kind: 'moveToStep', step: 'Review' } },
  ];
  const perform: BehaviorDefinition[] = [{ kind: 'performAction', action: 'Finish' }];

  it('does primary and behaviors of the other action, and of those it performs, in one effect', () => {
    const resolution = resolve(perform, [{ ':Id': 'M-5', Hours: 1 }], more);
    expect(changes(resolution)).toEqual([
      {
        Hours: [null, 1],
        ':WorkflowStatus': ['incomplete', 'completed_successfully'],
        'Granted On': [null, '2026-11-24'],
        ':WorkflowStep': ['Application', 'Review'],
      },
    ]);
    expect(resolution.effects[0]!.action).toBe('Grant');
    expect(resolution.owed).toMatchObject([{ kind: 'webhook', action: 'Finish', line: 1 }]);
  });

  it('tells of a new instance as it is in the end', () => {
    expect(changes(resolve(perform, [{ ':Id': 'M-6' }], more))).toMatchObject([
      { ':WorkflowStatus': [null, 'completed_successfully'], ':WorkflowStep': [null, 'Review'] },
    ]);
  });
});

/** Break it: in `RowResolver.update`, do not check the changes again after the behaviors. */
it('a row whose behaviors undo what it did changes nothing, and nothing follows from it', () => {
  const undo: BehaviorDefinition[] = [
    { kind: 'setAttribute', name: 'Name', value: 'Ada' },
    { kind: 'webhook', url: 'https://example.org/' },
  ];
  const resolution = resolve(undo, [{ ':Id': 'M-5', Name: 'Eve' }]);
  expect([told(resolution), changes(resolution), resolution.owed]).toEqual([['1 unchanged'], [], []]);
});

describe('what goes out', () => {
  const mail = {
    kind: 'sendEmail',
    to: ':Email',
    subject: 'Hi {{Name}}',
    template: '<p>{{Bio}} {{now}}</p>',
  } as const;
  const hook = { kind: 'webhook', url: 'https://example.org/', secret: 'whsec_x' } as const;
  const origin = { workflow: 'roles', batchId: 17, now: NOW };
  const rowsOf = ({ owed }: Resolution) => owed.map((behavior) => behaviorRow(behavior, 5, origin));

  it('is nothing for a row that changes nothing', () => {
    const resolution = resolve([mail, hook], [{ ':Id': 'M-5', Name: 'Ada' }]);
    expect([told(resolution), resolution.owed]).toEqual([['1 unchanged'], []]);
  });

  it('is nothing from a process that mutes it, while attributes are set', () => {
    const set = { kind: 'setAttribute', name: 'Hours', value: '1' } as const;
    const resolution = resolve([mail, set, hook], [{ ':Id': 'M-5', Name: 'Eve' }], [], true);
    expect(resolution.owed).toEqual([]);
    expect(changes(resolution)).toEqual([{ Name: ['Ada', 'Eve'], Hours: [null, 1] }]);
  });

  it('is the instance as that record left it, whatever the next ones do', () => {
    const rows = ['Eve\r\nBcc: x@y.org', 'Bob'].map((Name) => ({
      ...{ ':Id': 'M-5', Name },
      ...{ ':Email': 'eve@example.org', Bio: '<b>"Me" & co</b>' },
    }));
    expect(rowsOf(resolve([mail, hook], rows))).toMatchObject([
      {
        ...{
          line: 1,
          number: 1,
          kind: 'sendEmail',
          recipient: 'eve@example.org',
          status: 'pending',
          error: null,
        },
        subject: 'Hi Eve Bcc: x@y.org',
        htmlBody: `<p>&lt;b&gt;&quot;Me&quot; &amp;amp; co&lt;/b&gt; ${NOW}</p>`,
      },
      { line: 1, number: 2, kind: 'webhook', recipient: 'https://example.org/', secret: 'whsec_x' },
      { line: 2, number: 1, subject: 'Hi Bob' },
      { line: 2, number: 2 },
    ]);
  });

  it('tells a receiver what was done, as JSON', () => {
    const [row] = rowsOf(resolve([hook], [{ ':Id': 'M-5', Name: 'Eve' }]));
    expect(JSON.parse(row!.jsonBody!)).toEqual({
      type: 'workflow.action.performed',
      timestamp: NOW,
      data: {
        ...{ workflow: 'roles', action: 'Grant', instanceId: 5, batchId: 17, line: 1 },
        ...{ status: 'incomplete', step: 'Application' },
        attributes: { ':Id': 'M-5', Name: 'Eve' },
        changes: { Name: ['Ada', 'Eve'] },
      },
    });
  });

  it.each([
    ['Name', 'the value where the instance should have its e-mail address is not an address'],
    [':Email', 'the instance has no address to send it to'],
  ])('is kept as failed where %s holds no address', (to, error) => {
    expect(rowsOf(resolve([{ ...mail, to }], [{ ':Id': 'M-5', Name: 'Eve' }]))).toMatchObject([
      { status: 'failed', error },
    ]);
  });
});
