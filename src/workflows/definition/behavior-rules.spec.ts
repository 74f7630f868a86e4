import {
  changedDefinition,
  mistakesIn,
  usableDefinition,
} from '../../../test/support/workflow-definitions.js';
import type { JsonObject } from '../../platform/json/json-value.js';

const BEHAVIORS = '/steps/1/actions/0/behaviors';
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const mail = {
  kind: 'sendEmail',
  to: ':Email',
  subject: 'Hello {{First Name}}',
  template: '{{now}} {{:UniqueId}}',
};

const mistakes = (behavior: JsonObject) => mistakesIn(changedDefinition(BEHAVIORS, [behavior]));

describe('behaviors', () => {
  it.each<JsonObject>([
    mail,
    { ...mail, to: 'First Name' },
    { ...mail, to: 'office@example.org' },
    { kind: 'setAttribute', name: 'First Name', value: '{{First Name}} the {{Level}}' },
    { kind: 'setAttribute', name: 'Date Of Birth', value: '{{now}}' },
    { kind: 'setAttribute', name: 'Level', value: 'Fellow' },
    { kind: 'setAttribute', name: 'First Name', value: '{{Date Of Birth}}' },
    { kind: 'setAttribute', name: 'Hours', value: '{{First Name}}' },
    { kind: 'setAttribute', name: 'Level', value: '' },
    { kind: 'webhook', url: 'https://example.org/hook?a=b', secret },
    { kind: 'webhook', url: 'http://127.0.0.1:8080/' },
    { kind: 'performAction', action: 'Save' },
  ])('are saved: %j', (behavior) => {
    expect(mistakes(behavior)).toEqual([]);
  });

  it.each<[JsonObject, string]>([
    [{ kind: 'sendEmail', to: ':Email', subject: 'x' }, 'template required: is required for "sendEmail"'],
    [{ ...mail, url: 'https://example.org' }, 'url not_applicable: is not for "sendEmail"'],
    [{ ...mail, to: ':Emial' }, 'to unknown_recipient: ":Emial" is neither'],
    [{ ...mail, to: 'two@example.org,three@example.org' }, 'to unknown_recipient: '],
    [{ ...mail, to: 'Hours' }, 'to not_applicable: "Hours" is of type Numeric'],
    [{ ...mail, subject: 'Dear {{Frist Name}}' }, 'subject unknown_attribute: "Frist Name" is neither'],
    [{ ...mail, template: 'Dear {{First Name}' }, 'template malformed_template: has braces'],
    [
      { kind: 'setAttribute', name: 'Levle', value: 'x' },
      'name unknown_attribute: "Levle" is not an attribute of the workflow; did you mean "Level"?',
    ],
    [
      { kind: 'setAttribute', name: ':Email', value: 'x' },
      'name unknown_attribute: ":Email" is an identifier',
    ],
    [{ kind: 'setAttribute', name: 'Level', value: 'Master' }, 'value invalid_value: must be one of'],
    [{ kind: 'setAttribute', name: 'Hours', value: '7' }, 'value invalid_value: must be at most 0.5'],
    [
      { kind: 'setAttribute', name: 'Hours', value: '{{Nothing}}' },
      'value unknown_attribute: "Nothing" is neither',
    ],
    [
      { kind: 'setAttribute', name: 'Hours', value: '{{now}}' },
      'value invalid_value: "Hours" is of type Numeric and can never have the value of {{now}}',
    ],
    [
      { kind: 'setAttribute', name: 'Hours', value: '{{Date Of Birth}}' },
      'value invalid_value: "Hours" is of type Numeric and can never',
    ],
    [{ kind: 'webhook', url: 'ftp://example.org' }, 'url invalid_value: must be an http or https address'],
    [{ kind: 'webhook', url: 'https://ada:secret@example.org' }, 'url invalid_value: '],
    [
      { kind: 'webhook', url: 'https://example.org', secret: 'whsec_c2hvcnQ=' },
      'secret invalid_value: must be "whsec_"',
    ],
    [
      { kind: 'performAction', action: 'Svae' },
      'action unknown_action: "Svae" is not an action of the workflow; did you mean "Save"?',
    ],
    [
      { kind: 'performAction', action: 'Grant' },
      'action action_cycle: the actions would perform each other forever: "Grant" → "Grant"',
    ],
  ])('are refused: %j', (behavior, sentence) => {
    const expected = `${BEHAVIORS}/0/${sentence}`;
    expect(mistakes(behavior).map((mistake) => mistake.slice(0, expected.length))).toEqual([expected]);
  });
});

/** A definition whose actions perform each other: `{ A: ['B'], B: [] }`. */
function chained(actions: Record<string, string[]>): JsonObject {
  const [step] = usableDefinition().steps as JsonObject[];
  const made = Object.entries(actions).map(([name, performed], index) => ({
    id: index + 1,
    name,
    inputs: [],
    primary: { kind: 'save' },
    behaviors: performed.map((action) => ({ kind: 'performAction', action })),
  }));
  return { ...usableDefinition(), steps: [{ ...step, actions: made }] };
}

const chainMistakes = (actions: Record<string, string[]>) =>
  mistakesIn(chained(actions)).map((mistake) => mistake.replace('/steps/0/actions/', ''));

describe('chains of actions', () => {
  it('can be five levels deep', () => {
    expect(chainMistakes({ A: ['B'], B: ['C'], C: ['D'], D: ['E'], E: ['F'], F: [] })).toEqual([]);
  });

  it('cannot be six levels deep', () => {
    expect(chainMistakes({ A: ['G', 'B'], B: ['C'], C: ['D'], D: ['E'], E: ['F'], F: ['G'], G: [] })).toEqual(
      [
        '0/behaviors/1/action chain_too_long: actions can perform each other at most 5 levels deep; this chain is longer: "A" → "B" → "C" → "D" → "E" → "F" → "G"',
      ],
    );
  });

  it('cannot come back; every action that leads there is reported', () => {
    expect(chainMistakes({ A: ['B'], B: ['C', 'D'], C: ['B'], D: [] })).toEqual([
      '0/behaviors/0/action action_cycle: the actions would perform each other forever: "A" → "B" → "C" → "B"',
      '1/behaviors/0/action action_cycle: the actions would perform each other forever: "B" → "C" → "B"',
      '2/behaviors/0/action action_cycle: the actions would perform each other forever: "C" → "B" → "C"',
    ]);
  });

  it('cannot have more behaviors than a record can perform', () => {
    const twenty = (name: string) => new Array<string>(20).fill(name);
    expect(chainMistakes({ A: twenty('B'), B: twenty('C'), C: twenty('D'), D: [] })).toEqual([
      '0/behaviors/0/action too_many_behaviors: with the actions it performs, the action has more than 100 behaviors',
      '1/behaviors/0/action too_many_behaviors: with the actions it performs, the action has more than 100 behaviors',
    ]);
  });

  it('find an action of their own step first, and refuse to choose among other steps', () => {
    const definition = chained({ A: ['B'], B: [] });
    const [step] = definition.steps as JsonObject[];
    const other = (name: string, id: number) => ({
      ...step,
      name,
      actions: [{ id, name: 'B', inputs: [], primary: { kind: 'save' } }],
    });
    definition.steps = [step!, other('Second', 8), other('Third', 9)];
    expect(mistakesIn(definition)).toEqual([]);
    (step!.actions as JsonObject[]).pop();
    expect(mistakesIn(definition)).toEqual([
      '/steps/0/actions/0/behaviors/0/action ambiguous_action: "B" is an action of several other steps; rename one of them',
    ]);
  });
});
