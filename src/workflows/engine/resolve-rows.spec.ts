import { attributesText, type JsonObject, type JsonValue } from '../../platform/json/json-value.js';
import type { InstanceStatus, PrimaryEffect } from '../definition.js';
import { identifierKey, type ParsedRow } from '../rows/row-reader.js';
import { type InstanceState, MOST_CARRIERS, type StoredInstance } from './instance-state.js';
import { type Match, type Resolution, type ResolutionRules, resolveRows } from './resolve-rows.js';

const NAMES = { uid: ':UniqueId', email: ':Email', member: ':Member', role: ':Role' };

interface RowText {
  /** Identifiers: `uid`, `email` (case-insensitive), `member` and `role` (several instances may have it). */
  uid?: string;
  email?: string;
  member?: string;
  role?: string;
  primary?: PrimaryEffect;
  values?: Record<string, JsonValue>;
}

/** Line numbers begin at 1. */
const rowsOf = (...texts: RowText[]): ParsedRow[] =>
  texts.map(({ primary = { kind: 'save' }, values = {}, ...identifiers }, index) => ({
    line: index + 1,
    action: { id: 1, name: 'Grant', inputs: [], primary, step: 'Import' },
    identifiers: (Object.keys(NAMES) as (keyof typeof NAMES)[])
      .filter((key) => identifiers[key] !== undefined)
      .map((key) => ({
        ...keyed(NAMES[key], fold(NAMES[key], identifiers[key]!)),
        written: identifiers[key]!,
        unique: key === 'uid' || key === 'email',
      })),
    values: Object.entries(values).map(([field, after]) => ({ field, before: null, after })),
  }));

const keyed = (name: string, value: string) => ({ name, value, key: identifierKey(name, value) });

const fold = (name: string, written: string) => (name === ':Email' ? written.toLowerCase() : written);

type Rules = Partial<ResolutionRules['configuration'] & Pick<ResolutionRules, 'actsOnTerminal'>>;

const rules = ({ actsOnTerminal = false, ...configuration }: Rules = {}): ResolutionRules => ({
  configuration: { onNoMatch: 'create', onMatch: 'update', ...configuration },
  actsOnTerminal,
  firstStep: 'Application',
  fold,
  effects: new Map(),
  now: '2026-11-24T08:00:00.000Z',
});

/** An instance, found by every identifier it has. */
function stored(id: number, attributes: JsonObject, status: InstanceStatus = 'incomplete'): Match[] {
  const instance: StoredInstance = { id, status, step: 'Application', attributes };
  return Object.values(NAMES)
    .filter((name) => attributes[name] !== undefined)
    .map((name) => ({ ...keyed(name, fold(name, attributes[name] as string)), instance }));
}

const attributesOf = ({ attributes }: Pick<InstanceState, 'attributes'>) =>
  JSON.parse(attributesText(attributes)) as JsonObject;

/** `1 created #new1`, `2 rejected ambiguous_match`: new instances are numbered in the order of their creation. */
function told({ rows, created }: Resolution): string[] {
  return rows.map((row) => {
    const instance = row.instance;
    const name =
      instance === null
        ? ''
        : ` #${instance.stored === null ? `new${created.indexOf(instance) + 1}` : instance.stored.id}`;
    return `${row.line} ${row.result}${row.result === 'rejected' ? ` ${row.error.code}` : ''}${name}`;
  });
}

const changesOf = ({ effects }: Resolution) =>
  effects.map(({ line, changes }) => ({
    line,
    ...Object.fromEntries(changes.map(({ field, before, after }) => [field, [before, after]])),
  }));

const ada = stored(5, { ':UniqueId': 'M-5', ':Email': 'Ada@Example.org', Name: 'Ada' });
const bob = stored(6, { ':UniqueId': 'M-6', ':Email': 'bob@example.org', Name: 'Bob' });
const first = stored(7, { ':UniqueId': 'A-7', ':Member': 'M-1' });
const second = stored(8, { ':UniqueId': 'A-8', ':Member': 'M-1' });

describe('what becomes of a row', () => {
  const cases: [string, RowText[], Match[], Rules, string[]][] = [
    ['creates when nothing is found', [{ uid: 'M-1' }], [], {}, ['1 created #new1']],
    ['creates when the row has no identifier', [{ values: { Name: 'Eve' } }], [], {}, ['1 created #new1']],
    [
      'is rejected when nothing is found and nothing may be created',
      [{ uid: 'M-1' }, { values: { Name: 'Eve' } }],
      [],
      { onNoMatch: 'reject' },
      ['1 rejected no_match', '2 rejected no_match'],
    ],
    [
      'updates what one identifier finds',
      [{ uid: 'M-5', values: { Name: 'Eve' } }],
      ada,
      {},
      ['1 updated #5'],
    ],
    [
      'updates what all identifiers find',
      [{ uid: 'M-5', email: 'ada@example.org', values: { Name: 'Eve' } }],
      ada,
      {},
      ['1 updated #5'],
    ],
    ['updates what one identifier finds when the other finds nothing', [{ uid: 'M-1', email: 'ada@example.org' }], ada, {}, ['1 updated #5']], // prettier-ignore
    [
      'is unchanged when it says what is there',
      [{ uid: 'M-5', email: 'ada@example.org', values: { Name: 'Ada', Nick: null } }],
      ada,
      {},
      ['1 unchanged #5'],
    ],
    ['is rejected when a match is not wanted', [{ uid: 'M-5' }], ada, { onMatch: 'reject' }, ['1 rejected already_exists #5']], // prettier-ignore
    ['is skipped when a match is to be left alone', [{ uid: 'M-5' }], ada, { onMatch: 'skip' }, ['1 skipped #5']], // prettier-ignore
    [
      'is rejected when its identifiers find different instances',
      [{ uid: 'M-5', email: 'bob@example.org' }],
      [...ada, ...bob],
      {},
      ['1 rejected ambiguous_match'],
    ],
    ['is rejected for ambiguity even where matches are skipped', [{ uid: 'M-5', email: 'bob@example.org' }], [...ada, ...bob], { onMatch: 'skip' }, ['1 rejected ambiguous_match']], // prettier-ignore
    ['finds by an identifier that is not unique', [{ member: 'M-1' }], first, {}, ['1 unchanged #7']],
    [
      'is rejected when an identifier that is not unique finds several',
      [{ member: 'M-1' }],
      [...first, ...second],
      {},
      ['1 rejected ambiguous_match'],
    ],
    [
      'updates what a unique identifier finds, whoever else has one that is not unique',
      [{ uid: 'M-5', member: 'M-1' }],
      [...ada, ...first],
      {},
      ['1 updated #5'],
    ],
    [
      'creates what a unique identifier does not find, whoever has one that is not unique',
      [
        { uid: 'A-9', member: 'M-1' },
        { uid: 'A-10', member: 'M-1' },
      ],
      first,
      {},
      ['1 created #new1', '2 created #new2'],
    ],
    [
      'finds by identifiers that are not unique what has all of them',
      [
        { member: 'M-1', role: 'R-2' },
        { member: 'M-2', role: 'R-2' },
        { member: 'M-1', role: 'R-3' },
      ],
      [
        ...stored(7, { ':Member': 'M-1', ':Role': 'R-1' }),
        ...stored(8, { ':Member': 'M-1', ':Role': 'R-2' }),
        ...stored(9, { ':Member': 'M-2', ':Role': 'R-1' }),
      ],
      { onNoMatch: 'reject' },
      ['1 unchanged #8', '2 rejected no_match', '3 rejected no_match'],
    ],
    [
      'is rejected when several have all of the identifiers that are not unique',
      [{ member: 'M-1', role: 'R-1' }],
      [
        ...stored(7, { ':Member': 'M-1', ':Role': 'R-1' }),
        ...stored(8, { ':Member': 'M-1', ':Role': 'R-1' }),
      ],
      {},
      ['1 rejected ambiguous_match'],
    ],
    [
      'finds among few what shares the other identifier with very many',
      [{ member: 'M-1', role: 'R-1' }, { role: 'R-1' }],
      [
        ...stored(7, { ':Member': 'M-1', ':Role': 'R-1' }),
        ...stored(8, { ':Member': 'M-1' }),
        { ...keyed(':Role', 'R-1'), instance: null },
      ],
      {},
      ['1 unchanged #7', '2 rejected ambiguous_match'],
    ],
    [
      'is rejected when the instance is completed',
      [{ uid: 'M-9', values: { Name: 'Eve' } }],
      stored(9, { ':UniqueId': 'M-9' }, 'completed_unsuccessfully'),
      {},
      ['1 rejected instance_completed #9'],
    ],
    [
      'changes a completed instance where the step acts on those',
      [{ uid: 'M-9', values: { Name: 'Eve' } }],
      stored(9, { ':UniqueId': 'M-9' }, 'completed_successfully'),
      { actsOnTerminal: true },
      ['1 updated #9'],
    ],
  ];
  it.each(cases)('%s', (_, texts, matches, changes, expected) => {
    expect(told(resolveRows(rowsOf(...texts), matches, rules(changes)))).toEqual(expected);
  });
});

describe('a row sees what those before it did', () => {
  it('updates what an earlier row created, by whichever identifier', () => {
    const resolution = resolveRows(
      rowsOf(
        { uid: 'M-1', email: 'Eve@example.org', values: { Name: 'Eve' } },
        { email: 'eve@EXAMPLE.org', values: { Name: 'Eva' } },
        { uid: 'M-1', values: { Name: 'Eva' } },
      ),
      [],
      rules(),
    );
    expect(told(resolution)).toEqual(['1 created #new1', '2 updated #new1', '3 unchanged #new1']);
    expect(resolution.created.map(attributesOf)).toEqual([
      { ':UniqueId': 'M-1', ':Email': 'Eve@example.org', Name: 'Eva' },
    ]);
    expect(resolution.updated).toEqual([]);
  });

  it.each([
    [{ onMatch: 'reject' as const }, '2 rejected already_exists #new1'],
    [{ onMatch: 'skip' as const }, '2 skipped #new1'],
  ])('takes what an earlier row created for a match (%j)', (changes, expected) => {
    const resolution = resolveRows(rowsOf({ uid: 'M-1' }, { uid: 'M-1' }), [], rules(changes));
    expect(told(resolution)).toEqual(['1 created #new1', expected]);
  });

  it('refuses what an earlier row completed', () => {
    const primary = { kind: 'completeSuccessfully' } as const;
    const resolution = resolveRows(rowsOf({ uid: 'M-1', primary }, { uid: 'M-1' }), [], rules());
    expect(told(resolution)).toEqual(['1 created #new1', '2 rejected instance_completed #new1']);
  });

  it('writes an instance that several rows changed once, and logs each', () => {
    const resolution = resolveRows(
      rowsOf(
        { uid: 'M-5', values: { Name: 'B' } },
        { email: 'ada@example.org', values: { Name: 'C', Age: 3 } },
      ),
      ada,
      rules(),
    );
    expect(resolution.updated).toHaveLength(1);
    expect(changesOf(resolution)).toEqual([
      { line: 1, Name: ['Ada', 'B'] },
      { line: 2, Name: ['B', 'C'], Age: [null, 3] },
    ]);
  });

  it('finds an instance by the identifier that an earlier row gave it, and no more by the one it had', () => {
    const resolution = resolveRows(
      rowsOf(
        { uid: 'M-5', email: 'new@example.org' },
        { email: 'new@example.org' },
        { email: 'ada@example.org' },
      ),
      ada,
      rules(),
    );
    expect(told(resolution)).toEqual(['1 updated #5', '2 unchanged #5', '3 created #new1']);
  });

  it('finds one when an earlier row gave the value up', () => {
    const resolution = resolveRows(
      rowsOf({ uid: 'A-7', member: 'M-2' }, { uid: 'A-8', member: 'M-1' }, { member: 'M-1' }),
      [...first, ...stored(8, { ':UniqueId': 'A-8' })],
      rules(),
    );
    expect(told(resolution)).toEqual(['1 updated #7', '2 updated #8', '3 unchanged #8']);
  });

  it('does not claim to find one when more carry the value than were looked up', () => {
    const many = Array.from({ length: MOST_CARRIERS + 1 }, (_, n) =>
      stored(100 + n, { ':UniqueId': `A-${n}`, ':Member': 'M-1' }),
    ).flat();
    const takers = many.flatMap(({ name, value }) =>
      name === ':UniqueId' ? [{ uid: value, member: 'M-2' }] : [],
    );
    const resolution = resolveRows(rowsOf(...takers, { member: 'M-1' }), many, rules());
    expect(told(resolution).at(-1)).toBe(`${MOST_CARRIERS + 2} rejected ambiguous_match`);
  });
});

describe('what is changed', () => {
  it('leaves what the row has not, clears what it has as null, and logs nothing else', () => {
    const match = stored(5, { ':UniqueId': 'M-5', Name: 'Ada', Level: 'Fellow', Tags: ['a', 'b'] });
    const values = { Level: null, Tags: ['a', 'b'], Age: 36 };
    const resolution = resolveRows(rowsOf({ uid: 'M-5', values }), match, rules());
    expect(changesOf(resolution)).toEqual([{ line: 1, Level: ['Fellow', null], Age: [null, 36] }]);
    expect(attributesOf(resolution.updated[0]!)).toEqual({
      ':UniqueId': 'M-5',
      Name: 'Ada',
      Tags: ['a', 'b'],
      Age: 36,
    });
  });

  it('logs of a new instance all it has, its status and step too', () => {
    const primary = { kind: 'moveToStep', step: 'Review' } as const;
    const resolution = resolveRows(
      rowsOf({ uid: 'M-1', primary, values: { Name: 'Eve', Nick: null } }),
      [],
      rules(),
    );
    expect(changesOf(resolution)).toEqual([
      {
        line: 1,
        ':UniqueId': [null, 'M-1'],
        Name: [null, 'Eve'],
        ':WorkflowStep': [null, 'Review'],
        ':WorkflowStatus': [null, 'incomplete'],
      },
    ]);
  });

  it('gives an instance the identifier it had not, or had with another value', () => {
    const match = stored(5, { ':UniqueId': 'M-5', Name: 'Ada' });
    const resolution = resolveRows(
      rowsOf({ uid: 'M-5', email: 'Ada@Example.org' }, { uid: 'M-9', email: 'ada@example.org' }),
      match,
      rules(),
    );
    expect(told(resolution)).toEqual(['1 updated #5', '2 updated #5']);
    expect(changesOf(resolution)).toEqual([
      { line: 1, ':Email': [null, 'Ada@Example.org'] },
      { line: 2, ':UniqueId': ['M-5', 'M-9'] },
    ]);
    expect(resolution.updated[0]!.newIdentifiers.map(({ name, value }) => [name, value])).toEqual([
      [':Email', 'ada@example.org'],
      [':UniqueId', 'M-9'],
    ]);
  });

  it('keeps names that are special in JavaScript apart from everything else', () => {
    const values = JSON.parse('{"__proto__": "a", "constructor": "b"}') as Record<string, JsonValue>;
    const resolution = resolveRows(rowsOf({ uid: 'M-1', values }, { uid: 'M-1', values }), [], rules());
    expect(told(resolution)).toEqual(['1 created #new1', '2 unchanged #new1']);
    expect(resolution.created[0]!.attributes.get('__proto__')).toBe('a');
  });

  const primaries: [PrimaryEffect, InstanceStatus, Record<string, JsonValue>][] = [
    [{ kind: 'save' }, 'incomplete', {}],
    [
      { kind: 'completeSuccessfully' },
      'incomplete',
      { ':WorkflowStatus': ['incomplete', 'completed_successfully'] },
    ],
    [{ kind: 'completeSuccessfully' }, 'completed_successfully', {}],
    [{ kind: 'completeUnsuccessfully' }, 'completed_successfully', { ':WorkflowStatus': ['completed_successfully', 'completed_unsuccessfully'] }], // prettier-ignore
    [{ kind: 'makeIncomplete' }, 'completed_unsuccessfully', { ':WorkflowStatus': ['completed_unsuccessfully', 'incomplete'] }], // prettier-ignore
    [{ kind: 'makeIncomplete' }, 'incomplete', {}],
    [{ kind: 'moveToStep', step: 'Review' }, 'incomplete', { ':WorkflowStep': ['Application', 'Review'] }],
    [
      { kind: 'moveToStep', step: 'Review' },
      'completed_successfully',
      { ':WorkflowStep': ['Application', 'Review'] },
    ],
  ];
  it.each(primaries)('by %j of an instance that is %s', (primary, status, expected) => {
    const match = stored(5, { ':UniqueId': 'M-5' }, status);
    const resolution = resolveRows(rowsOf({ uid: 'M-5', primary }), match, rules({ actsOnTerminal: true }));
    const changed = Object.keys(expected).length > 0;
    expect(told(resolution)).toEqual([changed ? '1 updated #5' : '1 unchanged #5']);
    expect(changesOf(resolution)).toEqual(changed ? [{ line: 1, ...expected }] : []);
  });
});
