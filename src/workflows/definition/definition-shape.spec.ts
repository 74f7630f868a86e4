import { changedDefinition, mistakesIn } from '../../../test/support/workflow-definitions.js';
import type { JsonValue } from '../../platform/json/json-value.js';

const TYPES =
  '"ShortText", "LongText", "RichText", "Numeric", "Boolean", "Date", "DateTime", "PickList", "MultiSelectList", "Email", "Url"';

describe('the shape of a definition', () => {
  it.each<[string, JsonValue | undefined, string]>([
    ['/name', undefined, '/name required: is required'],
    ['/name', 'grant role', '/name invalid_name: must consist of letters, digits'],
    ['/name', '../x', '/name invalid_name: must consist of letters, digits'],
    ['/name', 7, '/name invalid_value: must be string'],
    ['/title', '', '/title invalid_name: must be one line of text'],
    ['/title', ' x', '/title invalid_name: must be one line of text'],
    ['/title', 'a\nb', '/title invalid_name: must be one line of text'],
    ['/title', 'a\ud800b', '/title invalid_name: must be one line of text'],
    ['/title', 'a\u0000b', '/title invalid_name: must be one line of text'],
    ['/entityType', undefined, '/entityType required: is required'],
    ['/steps', [], '/steps invalid_value: must NOT have fewer than 1 items'],
    ['/steps', {}, '/steps invalid_value: must be array'],
    ['/version', 0, '/version invalid_value: must be >= 1'],
    ['/atributes', [], '/atributes unknown_member: is not a known member; did you mean "attributes"?'],
    ['/zzz', 1, '/zzz unknown_member: is not a known member'],

    ['/identifiers/0', 'Email', '/identifiers/0 invalid_value: must be object'],
    ['/identifiers/0/unique', undefined, '/identifiers/0/unique required: is required'],
    [
      '/identifiers/0/format',
      'emial',
      '/identifiers/0/format unknown_value: must be one of "email"; did you mean "email"?',
    ],
    [
      '/identifiers/0/caseInsensitive',
      'yes',
      '/identifiers/0/caseInsensitive invalid_value: must be boolean',
    ],

    ['/attributes/2/type', 'number', `/attributes/2/type unknown_value: must be one of ${TYPES}`],
    [
      '/attributes/2/type',
      'numerc',
      `/attributes/2/type unknown_value: must be one of ${TYPES}; did you mean "Numeric"?`,
    ],
    ['/attributes/0/maxLength', 0, '/attributes/0/maxLength invalid_value: must be >= 1'],
    ['/attributes/2/maximum', 1e16, '/attributes/2/maximum invalid_value: must be <= 1000000000000000'],
    ['/attributes/3/options', [], '/attributes/3/options invalid_value: must NOT have fewer than 1 items'],
    [
      '/attributes/3/options',
      ['a', 'a'],
      '/attributes/3/options invalid_value: must not have two items that are equal',
    ],
    ['/attributes/3/options/0', ' ', '/attributes/3/options/0 invalid_name: must be one line of text'],

    [
      '/steps/0/kind',
      'dataentry',
      '/steps/0/kind unknown_value: must be one of "dataEntry", "dataImport"; did you mean "dataEntry"?',
    ],
    ['/steps/0/actions', undefined, '/steps/0/actions required: is required'],
    ['/steps/1/actions/0/id', '11', '/steps/1/actions/0/id invalid_value: must be integer'],
    ['/steps/1/actions/0/id', 2 ** 31, '/steps/1/actions/0/id invalid_value: must be <= 2147483647'],
    [
      '/steps/1/actions/0/inputs/1',
      'Level',
      '/steps/1/actions/0/inputs invalid_value: must not have two items that are equal',
    ],
    ['/steps/1/actions/0/primary', undefined, '/steps/1/actions/0/primary required: is required'],
    [
      '/steps/1/actions/0/primary/kind',
      'completed',
      '/steps/1/actions/0/primary/kind unknown_value: must be one of "save"',
    ],
    ['/steps/1/actions/0/rules', {}, '/steps/1/actions/0/rules invalid_value: must be array'],
    [
      '/steps/1/actions/0/rules/0',
      { when: {}, require: {} },
      '/steps/1/actions/0/rules/0/message required: is required',
    ],
    [
      '/steps/1/actions/0/rules/0',
      { when: true, require: {}, message: 'No.' },
      '/steps/1/actions/0/rules/0/when invalid_value: must be object',
    ],
    [
      '/steps/1/actions/0/rules/0',
      { if: {}, when: {}, require: {}, message: 'No.' },
      '/steps/1/actions/0/rules/0/if unknown_member: is not a known member',
    ],
    [
      '/steps/1/actions/0/behaviors',
      [{ kind: 'sendMail' }],
      '/steps/1/actions/0/behaviors/0/kind unknown_value: must be one of "sendEmail", "setAttribute", "webhook", "performAction"; did you mean "sendEmail"?',
    ],
    [
      '/steps/1/actions/0/behaviors',
      [{ kind: 'sendEmail', cc: 'a@example.org' }],
      '/steps/1/actions/0/behaviors/0/cc unknown_member: is not a known member',
    ],
    ['/rules', [], '/rules unknown_member: is not a known member'],
  ])('refuses %s = %j', (pointer, value, sentence) => {
    const mistakes = mistakesIn(changedDefinition(pointer, value));
    expect(mistakes.map((mistake) => mistake.slice(0, sentence.length))).toContain(sentence);
  });
});
