import { changedDefinition, mistakesIn } from '../../../test/support/workflow-definitions.js';
import type { JsonValue } from '../../platform/json/json-value.js';

const SECOND_GRANT = { id: 12, name: 'Grant', inputs: [], primary: { kind: 'save' } };

describe('the rules of a definition', () => {
  /**
   * Break it: omit `NOW` from `checkAttributeName`, or `checkNoBraces` from `checkAttributeName` or
   * `checkIdentifierName`.
   */
  it.each<[string, string, string]>([
    ['/attributes/2/name', 'now', 'must not be "now": {{now}} is the time in templates'],
    ['/attributes/2/name', 'Hours {total}', 'must not contain { or }'],
    ['/attributes/2/name', 'Hours}', 'must not contain { or }'],
    ['/identifiers/0/name', ':{UniqueId', 'must not contain { or }'],
  ])('refuse names that no template could use: %s = %j', (pointer, name, sentence) => {
    const [mistake, ...others] = mistakesIn(changedDefinition(pointer, name));
    expect(mistake).toContain(`${pointer} reserved_name: ${sentence}`);
    expect(others).toEqual([]);
  });

  it.each(['Now', 'now and then', 'Hours (total)'])('take an attribute named %j', (name) => {
    expect(mistakesIn(changedDefinition('/attributes/2/name', name))).toEqual([]);
  });

  it.each<[string, JsonValue | undefined, string]>([
    ['/identifiers/0/name', 'UniqueId', 'invalid_name: must begin with one colon, for example ":UniqueId"'],
    ['/identifiers/0/name', '::UniqueId', 'invalid_name: must begin with one colon, for example ":UniqueId"'],
    ['/identifiers/0/name', ':WorkflowActionId', 'reserved_name: must not begin with ":Workflow"'],
    ['/identifiers/0/name', ':WorkflowActionName', 'reserved_name: must not begin with ":Workflow"'],
    ['/identifiers/0/name', ':workflowThing', 'reserved_name: must not begin with ":Workflow"'],
    [
      '/identifiers/1/name',
      ':UniqueId',
      'duplicate: must differ among the identifiers; /identifiers/0/name has',
    ],

    [
      '/attributes/2/name',
      'First Name',
      'duplicate: must differ among the attributes; /attributes/0/name has',
    ],
    ['/attributes/2/name', ':Hours', 'reserved_name: must not begin with a colon'],
    ['/attributes/2/name', '_line', 'reserved_name: must not begin with "_"'],
    ['/attributes/2/name', '=Hours', 'reserved_name: must not begin with =, +, - or @'],
    [
      '/attributes/1/maxLength',
      10,
      'not_applicable: is for ShortText, LongText, RichText, Email, Url only, not for Date',
    ],
    ['/attributes/0/minimum', 1, 'not_applicable: is for Numeric only, not for ShortText'],
    ['/attributes/0/maximum', 1, 'not_applicable: is for Numeric only, not for ShortText'],
    [
      '/attributes/0/options',
      ['a'],
      'not_applicable: is for PickList, MultiSelectList only, not for ShortText',
    ],
    ['/attributes/2/minimum', 3, 'contradiction: must not be greater than maximum (0.5)'],
    ['/attributes/3/options', undefined, 'required: is required: a PickList has options'],
    ['/attributes/4/options', undefined, 'required: is required: a MultiSelectList has options'],

    ['/steps/1/name', 'Application', 'duplicate: must differ among the steps; /steps/0/name has'],
    ['/steps/0/actsOnTerminal', true, 'not_applicable: is for data import steps only'],
    [
      '/steps/1/actions/0/id',
      1,
      'duplicate: must differ among the actions of the workflow; /steps/0/actions/0/id has 1 too',
    ],
    [
      '/steps/1/actions/0/inputs/1',
      'Date of Brith',
      'unknown_attribute: "Date of Brith" is not an attribute of the workflow; did you mean "Date Of Birth"?',
    ],
    [
      '/steps/1/actions/0/inputs/1',
      'Shoe Size',
      'unknown_attribute: "Shoe Size" is not an attribute of the workflow',
    ],
    ['/steps/1/actions/0/inputs/1', ':Email', 'unknown_attribute: ":Email" is an identifier'],
    ['/steps/1/actions/0/required/0', 'Hours', 'unknown_input: "Hours" is not one of the action\'s inputs'],
    [
      '/steps/1/actions/0/required/0',
      'first name',
      'unknown_input: "first name" is not one of the action\'s inputs; did you mean "First Name"?',
    ],
    ['/steps/1/actions/0/primary/step', undefined, 'required: is required: the data entry step'],
    [
      '/steps/1/actions/0/primary/step',
      'Aplication',
      'unknown_step: "Aplication" is not a step of the workflow; did you mean "Application"?',
    ],
    ['/steps/1/actions/0/primary/step', 'Import', 'unknown_step: "Import" is a data import step'],
    ['/steps/0/actions/0/primary/step', 'Application', 'not_applicable: is for "moveToStep" only'],
  ])('refuse %s = %j', (pointer, value, sentence) => {
    const mistakes = mistakesIn(changedDefinition(pointer, value));
    const expected = `${pointer} ${sentence}`;
    expect(mistakes.map((mistake) => mistake.slice(0, expected.length))).toEqual([expected]);
  });

  it('refuse two actions of one name in one step, and allow them in two', () => {
    expect(mistakesIn(changedDefinition('/steps/1/actions/1', SECOND_GRANT))).toEqual([
      '/steps/1/actions/1/name duplicate: must differ among the actions of the step; /steps/1/actions/0/name has "Grant" too',
    ]);
    expect(mistakesIn(changedDefinition('/steps/0/actions/1', SECOND_GRANT))).toEqual([]);
  });

  it('refer to what the definition has: a renamed attribute is missed wherever it is used', () => {
    expect(
      mistakesIn(changedDefinition('/attributes/0/name', 'Given Name')).map((each) => each.split(':')[0]),
    ).toEqual(['/steps/1/actions/0/inputs/0 unknown_attribute']);
  });
});
