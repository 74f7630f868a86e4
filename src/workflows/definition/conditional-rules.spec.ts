import {
  changedDefinition,
  mistakesIn,
  usableDefinition,
} from '../../../test/support/workflow-definitions.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';

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

  /** Break it: in `namedColumns`, omit the keyword. */
  it.each<[JsonObject, string]>([
    [{ allOf: [true, { required: ['Levle'] }] }, '/allOf/1/required/0'],
    [{ anyOf: [{ properties: { Levle: true } }] }, '/anyOf/0/properties/Levle'],
    [{ oneOf: [{ not: { required: ['Level', 'Levle'] } }] }, '/oneOf/0/not/required/1'],
    [{ if: { required: ['Levle'] } }, '/if/required/0'],
    [{ if: true, then: { required: ['Levle'] } }, '/then/required/0'],
    [{ if: true, else: { required: ['Levle'] } }, '/else/required/0'],
    [{ dependentRequired: { Levle: ['Level'] } }, '/dependentRequired/Levle'],
    [{ dependentRequired: { Level: ['Levle'] } }, '/dependentRequired/Level/0'],
    [{ dependentSchemas: { Levle: true } }, '/dependentSchemas/Levle'],
    [{ dependentSchemas: { Level: { required: ['Levle'] } } }, '/dependentSchemas/Level/required/0'],
  ])('may not name an unknown column deep in %j', (schema, pointer) => {
    expect(mistakesIn(changedDefinition(`${RULE}/require`, schema))).toEqual([
      `${RULE}/require${pointer} unknown_column: "Levle" is neither an identifier nor an input of the action, ` +
        'so no row has it; did you mean "Level"?',
    ]);
  });

  /** Break it: in `namedColumns`, treat a value as a row too (`within` for each of the properties). */
  it('may name anything within a value', () => {
    const value: JsonObject = { anyOf: [{ required: ['anything'] }, { properties: { anything: true } }] };
    expect(mistakesIn(changedDefinition(`${RULE}/require`, { properties: { Level: value } }))).toEqual([]);
  });

  /** Break it: in `namedColumns`, omit the limit on the level. */
  it('may be nested however deeply, and are refused for that', () => {
    let schema: JsonObject = { required: ['Levle'] };
    for (let level = 0; level < 100_000; level += 1) schema = { not: schema };
    expect(mistakesIn(changedDefinition(`${RULE}/require`, schema))).toEqual([
      `${RULE}/require invalid_schema: is nested too deeply`,
    ]);
  });
});
