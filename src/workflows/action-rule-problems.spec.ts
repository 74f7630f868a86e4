import type { JsonValue } from '../common/json.js';
import { changedDefinition, mistakesIn, usableDefinition } from '../../test/support/workflow-definitions.js';

const RULE = '/steps/1/actions/0/rules/0';

describe('the conditional rules of an action', () => {
  it('may name identifiers, inputs and the action itself', () => {
    const columns = [':UniqueId', ':Email', 'First Name', ':WorkflowActionId', ':WorkflowActionName'];
    const rule = { when: { required: columns }, require: { properties: { Level: true } }, message: 'No.' };
    expect(mistakesIn(usableDefinition())).toEqual([]);
    expect(mistakesIn(changedDefinition(RULE, rule))).toEqual([]);
  });

  it.each<[string, JsonValue, string]>([
    ['/when/type', 'objekt', '/when/type invalid_schema: must be one of "array"'],
    [
      '/require/propertys',
      {},
      '/require/propertys invalid_schema: is not a keyword of JSON Schema 2020-12; did you mean "properties"?',
    ],
    [
      '/require/properties',
      { Level: { pattern: '(' } },
      '/require/properties/Level/pattern invalid_schema: ',
    ],
    [
      '/require/$ref',
      '#/$defs/x',
      '/require/$ref invalid_schema: refers to #/$defs/x, which is not in the schema',
    ],
    [
      '/when/properties',
      { 'Frist Name': true },
      '/when/properties/Frist Name unknown_column: "Frist Name" is neither an identifier nor an input of the action, so no row has it; did you mean "First Name"?',
    ],
    ['/require/required', ['Level', 'Hours'], '/require/required/1 unknown_column: "Hours" is neither'],
  ])('refuses %s = %j', (pointer, value, sentence) => {
    const mistakes = mistakesIn(changedDefinition(`${RULE}${pointer}`, value));
    expect(mistakes.map((mistake) => mistake.slice(0, RULE.length + sentence.length))).toContain(
      `${RULE}${sentence}`,
    );
  });
});
