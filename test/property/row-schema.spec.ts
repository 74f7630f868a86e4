import fc from 'fast-check';
import { compileJsonSchema, jsonSchemaProblems } from '../../src/platform/json/json-schema.js';
import type { JsonObject, JsonValue } from '../../src/platform/json/json-value.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { compileWorkflowTarget } from '../../src/workflows/engine/row-application.js';

const definition: WorkflowDefinition = {
  name: 'everything',
  title: 'Every attribute type',
  entityType: 'Thing',
  identifiers: [
    { name: ':Id', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'Short', type: 'ShortText', maxLength: 3 },
    { name: 'Long', type: 'LongText' },
    { name: 'Rich', type: 'RichText' },
    { name: 'Number', type: 'Numeric', minimum: -2, maximum: 5.5 },
    { name: 'Yes', type: 'Boolean' },
    { name: 'Day', type: 'Date' },
    { name: 'Moment', type: 'DateTime' },
    { name: 'Option', type: 'PickList', options: ['a', 'b', '1', 'true'] },
    { name: 'Options', type: 'MultiSelectList', options: ['a', 'b', 'c'] },
    { name: 'Mail', type: 'Email' },
    { name: 'Page', type: 'Url' },
  ],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [
        {
          id: 1,
          name: 'Set',
          inputs: [
            'Short',
            'Long',
            'Rich',
            'Number',
            'Yes',
            'Day',
            'Moment',
            'Option',
            'Options',
            'Mail',
            'Page',
          ],
          required: ['Short', 'Number'],
          primary: { kind: 'save' },
        },
        {
          id: 2,
          name: 'Close',
          inputs: ['Long'],
          required: ['Long'],
          primary: { kind: 'completeSuccessfully' },
        },
      ],
    },
  ],
};

const compile = (action?: string, recordSchema: JsonObject | null = null, workflow = definition) =>
  compileWorkflowTarget({
    identifierNeeded: 'if stated',
    workflowId: 1,
    definition: workflow,
    configuration: {
      kind: 'workflow',
      workflow: 'everything',
      step: 'Import',
      ...(action !== undefined && { action }),
      onNoMatch: 'create',
      onMatch: 'update',
    },
    recordSchema,
  });

/** What JSON Schema cannot say is left out: bounds in texts, options in texts, leap seconds, unstorable characters. */
const values: readonly JsonValue[] = [
  ...[
    null,
    '',
    ' ',
    'a',
    'abc',
    'abcd',
    '😀😀😀',
    '😀😀😀😀',
    'a b',
    '\n',
    'true',
    'yes',
    'No',
    '1',
    '0',
    '007',
  ],
  ...['-1.5', '1e0', '.5', '1.', '1,5', '2026-01-31', '2026-02-29', '2024-02-29', '0000-01-01', '01/02/2026'],
  ...['2026-01-31T09:30:00Z', '2026-01-31T09:30:00+01:00', '2026-01-31T09:30:00', '2026-01-31 09:30:00Z'],
  ...[
    '2026-01-31t09:30:00.5z',
    '2026-01-31T25:30:00Z',
    'ada@example.org',
    'Ada <ada@example.org>',
    'ada@example',
  ],
  ...[
    'józef@przykład.pl',
    'https://example.org',
    'https://例え.jp/',
    'ftp://example.org',
    'http:x',
    'https://',
  ],
  ...['\u200b', '\u00ad\u2060 '],
  ...[0, 1, -2, -2.5, 5.5, 5.6, 1e300, true, false, [], ['a'], ['a', 'b'], ['d'], [1], [['a']], {}, { a: 1 }],
];

const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...values) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme' }) },
);
const column = fc.constantFrom(
  ...[
    ':Id',
    ':Email',
    'Short',
    'Long',
    'Rich',
    'Number',
    'Yes',
    'Day',
    'Moment',
    'Option',
    'Options',
    'Mail',
    'Page',
  ],
  ...['short', 'toString', 'Short ', ':WorkflowAction'],
);
const action = fc.constantFrom<JsonObject>(
  ...[{}, {}, { ':WorkflowActionId': 1 }, { ':WorkflowActionId': '2' }, { ':WorkflowActionName': 'Set' }],
  ...[{ ':WorkflowActionName': 'Close' }, { ':WorkflowActionName': '', ':WorkflowActionId': null }],
  ...[
    { ':WorkflowActionId': 1, ':WorkflowActionName': 'Set' },
    { ':WorkflowActionId': 3 },
    { ':WorkflowActionId': '' },
  ],
  ...[{ ':WorkflowActionId': 2, ':WorkflowActionName': null }, { ':WorkflowActionName': 'set' }],
);
/** Rows that have what is required, so that most verdicts hang on the one or two columns that were drawn. */
const row = fc
  .tuple(
    fc.constantFrom<JsonObject>({ Short: 'a', Number: 1 }, { Long: 'a' }, {}),
    action,
    fc.array(fc.tuple(column, value), { maxLength: 2 }),
  )
  .map(([base, chosen, drawn]): JsonObject => ({ ...base, ...chosen, ...Object.fromEntries(drawn) }));

/** Of a text that is a list, a number or a URL, JSON Schema knows the shape only; of a number, not how long it is. */
function isBeyondJsonSchema(sent: JsonObject): boolean {
  const { Number: number, Options: options, Short: short } = sent;
  return (
    ((typeof short === 'number' || typeof short === 'boolean') && String(short).length > 3) ||
    (typeof options === 'string' && options !== '') ||
    (typeof number === 'string' && (Number(number) < -2 || Number(number) > 5.5)) ||
    Object.values(sent).some((it) => typeof it === 'string' && /^https?:/.test(it))
  );
}

describe('the JSON Schema of a row', () => {
  /** Break it: in `actionSchema`, leave out the id as a text. */
  it.each([undefined, 'Set', 'Close'])(
    'refuses exactly what the check of a row refuses (action: %s)',
    (preset) => {
      const compiled = compile(preset);
      const violation = compileJsonSchema(compiled.schema);
      fc.assert(
        fc.property(row, (sent) => {
          fc.pre(!isBeyondJsonSchema(sent));
          const { error } = compiled.checkRow(sent, JSON.stringify(sent));
          const found = violation(sent);
          if ((found === null) !== (error === null))
            throw new Error(`${error?.message} / ${JSON.stringify(found)}`);
        }),
        { numRuns: 4_000 },
      );
    },
  );

  /** Break it: in `inputSchema`, leave out `BLANK`. */
  it('refuses nothing that the check of a row accepts, even if it cannot express every rule', () => {
    const compiled = compile('Set');
    const violation = compileJsonSchema(compiled.schema);
    fc.assert(
      fc.property(row, (sent) => {
        if (compiled.checkRow(sent, JSON.stringify(sent)).error === null) expect(violation(sent)).toBeNull();
      }),
      { numRuns: 4_000 },
    );
  });

  /** Break it: in `actionSchema`, give `enum` a text, or give `anyOf` to workflows without identifiers. */
  it('is a valid JSON Schema 2020-12', () => {
    expect(jsonSchemaProblems(compile().schema)).toEqual([]);
    expect(jsonSchemaProblems(compile('Set').schema)).toEqual([]);
    expect(jsonSchemaProblems(compile('Set', null, { ...definition, identifiers: [] }).schema)).toEqual([]);
  });

  /** Break it: in `embedded`, leave out `$id`. */
  it('contains the schema of the import process, whose references stay its own', () => {
    const narrow: JsonObject = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $defs: { small: { maximum: 3 } },
      properties: { Number: { $ref: '#/$defs/small' } },
    };
    const compiled = compile('Set', narrow);
    const violation = compileJsonSchema(compiled.schema);
    expect(violation({ Short: 'a', Number: 3 })).toBeNull();
    expect(violation({ Short: 'a', Number: 4 })).not.toBeNull();
    expect(compiled.checkRow({ Short: 'a', Number: 4 }, '{"Short":"a","Number":4}').error?.code).toBe(
      'record_schema',
    );
  });
});
