import { usableDefinition } from '../../../test/support/workflow-definitions.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { WorkflowDefinition } from '../definition.js';
import { hideSecrets } from './workflow-definitions.service.js';
import { HIDDEN_SECRET, restoreSecrets } from './webhook-secrets.js';

const URL = 'https://example.org/hook';
const HIDDEN = { kind: 'webhook', url: URL, secret: HIDDEN_SECRET };
const UNSIGNED = { kind: 'webhook', url: URL };
const signed = (secret: string) => ({ kind: 'webhook', url: URL, secret });

function withBehaviors(behaviors: readonly JsonObject[]): JsonObject {
  const [step, ...others] = usableDefinition().steps as JsonObject[];
  const [action] = step!.actions as JsonObject[];
  return {
    ...usableDefinition(),
    steps: [{ ...step, actions: [{ ...action, behaviors: [...behaviors] }] }, ...others],
  };
}

const stored = (behaviors: readonly JsonObject[]) =>
  withBehaviors(behaviors) as unknown as WorkflowDefinition;

/** The secrets after a client sends `sent` to replace `current`; `undefined`: not signed. */
function secretsOf(sent: readonly JsonObject[], current: readonly JsonObject[]): unknown[] {
  const restored = restoreSecrets(withBehaviors(sent), stored(current)) as WorkflowDefinition;
  return restored.steps[0]!.actions[0]!.behaviors!.map((behavior) => (behavior as JsonObject).secret);
}

describe('the secrets of webhooks', () => {
  /** Break it: in `secretsInOrder`, return the last known secret for all hidden ones. */
  it('are stored as they were when a definition is sent back as it was answered', () => {
    const definition = stored([
      signed('first'),
      { ...signed('elsewhere'), url: 'https://example.org/other' },
      { kind: 'setAttribute', name: 'First Name', value: 'x' },
      UNSIGNED,
      signed('second'),
    ]);
    expect(restoreSecrets(hideSecrets(definition), definition)).toEqual(definition);
  });

  /** Break it: in `secretsInOrder`, return no secrets instead of the ones in the same places. */
  it('can be changed for one of several webhooks to one address', () => {
    expect(secretsOf([signed('new'), HIDDEN], [signed('first'), signed('second')])).toEqual([
      'new',
      'second',
    ]);
    expect(secretsOf([HIDDEN, signed('new')], [signed('first'), signed('second')])).toEqual(['first', 'new']);
  });

  /** Break it: in `secretsInOrder`, omit the line that compares the numbers of hidden and known secrets. */
  it('stay with theirs when one is put beside them', () => {
    expect(secretsOf([signed('new'), HIDDEN, HIDDEN], [signed('first'), signed('second')])).toEqual([
      'new',
      'first',
      'second',
    ]);
    expect(secretsOf([HIDDEN, HIDDEN], [signed('only')])).toEqual(['only', 'only']);
  });

  /** Break it: in `secretsInOrder`, do not check how many webhooks were sent. */
  it('are not guessed where one of several is gone', () => {
    expect(secretsOf([HIDDEN], [signed('first'), signed('second')])).toEqual([HIDDEN_SECRET]);
    expect(secretsOf([HIDDEN], [UNSIGNED])).toEqual([HIDDEN_SECRET]);
  });

  it.each([null, 'text', [], { steps: 'none' }, { steps: [null, { actions: [7, { behaviors: [null] }] }] }])(
    'leave what is no definition as it is: %j',
    (source) => {
      expect(restoreSecrets(source, stored([signed('first')]))).toEqual(source);
    },
  );
});
