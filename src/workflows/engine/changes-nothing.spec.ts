import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { InstanceStatus, PrimaryEffect } from '../definition.js';
import { identifierKey, type ParsedRow } from '../rows/row-reader.js';
import type { StoredInstance } from './instance-state.js';
import { changesNothing, type ResolutionRules, resolveRows } from './resolve-rows.js';

const fold = (_name: string, written: string) => written.toLowerCase();

const rulesOf = (actsOnTerminal: boolean, atStep?: string): ResolutionRules => ({
  configuration: { onNoMatch: 'create', onMatch: 'update' },
  ...{ actsOnTerminal, atStep, firstStep: 'Application', fold, effects: new Map() },
  now: '2026-11-24T08:00:00.000Z',
});

const rowOf = (primary: PrimaryEffect, email: string, values: JsonObject): ParsedRow => ({
  line: 1,
  action: { id: 1, name: 'Grant', inputs: [], primary, step: 'Import' },
  identifiers: [
    {
      ...{ name: ':Email', written: email, value: fold(':Email', email), unique: true },
      key: identifierKey(':Email', fold(':Email', email)),
    },
  ],
  values: Object.entries(values).map(([field, after]) => ({ field, before: null, after })),
});

function isUnchanged(row: ParsedRow, instance: StoredInstance, rules: ResolutionRules): boolean {
  const [identifier] = row.identifiers;
  if (identifier === undefined) throw new Error('the row has no identifier');
  const { name, value, key } = identifier;
  const { rows } = resolveRows([row], [{ name, value, key, instance }], rules);
  return rows[0]?.result === 'unchanged';
}

const STATUSES: readonly InstanceStatus[] = [
  'incomplete',
  'completed_successfully',
  'completed_unsuccessfully',
];
const PRIMARIES: readonly PrimaryEffect[] = [
  { kind: 'save' },
  { kind: 'moveToStep', step: 'Review' },
  { kind: 'completeSuccessfully' },
  { kind: 'completeUnsuccessfully' },
  { kind: 'makeIncomplete' },
];

/** The comparison without a lock, and the resolution with one, must agree about every row. */
describe('a row that changes nothing', () => {
  const attributes: JsonObject = { ':Email': 'Ada@example.org', Name: 'Ada', Hours: 0, Areas: ['A', 'B'] };

  /** Break it: in `changesNothing`, leave out one of the conditions. */
  it.each(PRIMARIES.map((primary) => [primary.kind, primary] as const))(
    'by the action %s leaves status and step as they are',
    (_kind, primary) => {
      const answers: string[] = [];
      for (const status of STATUSES) {
        for (const step of ['Application', 'Review', null]) {
          for (const rules of [rulesOf(true), rulesOf(false), rulesOf(true, 'Review')]) {
            const instance = { id: 1, status, step, attributes };
            const row = rowOf(primary, 'ada@example.org', { Name: 'Ada' });
            const answer = changesNothing(row, instance, rules);
            expect(answer).toBe(isUnchanged(row, instance, rules));
            answers.push(String(answer));
          }
        }
      }
      expect(new Set(answers)).toEqual(new Set(['true', 'false']));
    },
  );

  it.each<[string, JsonValue, boolean]>([
    ['Name', 'Ada', true],
    ['Name', 'ada', false],
    ['Name', null, false],
    ['Hours', -0, true],
    ['Hours', '0', false],
    ['Areas', ['A', 'B'], true],
    ['Areas', ['B', 'A'], false],
    ['Areas', ['A'], false],
    ['Notes', null, true],
    ['Notes', '', false],
    ['constructor', null, false],
  ])('compares %s with %j: %j', (field, after, isEqual) => {
    const instance: StoredInstance = { id: 1, status: 'incomplete', step: null, attributes };
    const row = rowOf({ kind: 'save' }, 'ADA@example.org', { [field]: after });
    expect(changesNothing(row, instance, rulesOf(false))).toBe(isEqual);
    // A name of JavaScript's own is left to the resolution.
    expect(isUnchanged(row, instance, rulesOf(false))).toBe(isEqual || field === 'constructor');
  });

  it('has no identifier that the instance does not have', () => {
    const instance: StoredInstance = { id: 1, status: 'incomplete', step: null, attributes: { Name: 'Ada' } };
    const row = rowOf({ kind: 'save' }, 'ada@example.org', { Name: 'Ada' });
    expect(changesNothing(row, instance, rulesOf(false))).toBe(false);
    expect(isUnchanged(row, instance, rulesOf(false))).toBe(false);
  });
});
