import type { DomainError } from '../../src/platform/errors.js';
import type { JsonObject, JsonValue } from '../../src/platform/json/json-value.js';
import { readDefinition } from '../../src/workflows/definition/definition-reader.js';

/** A definition that uses every member. */
export const usableDefinition = (): JsonObject => ({
  name: 'grant-role',
  title: 'Grant Role',
  entityType: 'MemberRole',
  identifiers: [
    { name: ':UniqueId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'First Name', type: 'ShortText', maxLength: 100, description: 'As in the passport' },
    { name: 'Date Of Birth', type: 'Date' },
    { name: 'Hours', type: 'Numeric', minimum: 0, maximum: 0.5 },
    { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
    { name: 'Areas', type: 'MultiSelectList', options: ['A', 'B'] },
  ],
  steps: [
    {
      name: 'Application',
      kind: 'dataEntry',
      actions: [{ id: 1, name: 'Save', inputs: [], primary: { kind: 'save' } }],
    },
    {
      name: 'Import',
      kind: 'dataImport',
      actsOnTerminal: false,
      actions: [
        {
          id: 11,
          name: 'Grant',
          inputs: ['First Name', 'Date Of Birth', 'Level'],
          required: ['First Name'],
          rules: [
            {
              when: { properties: { Level: { const: 'Fellow' } }, required: ['Level'] },
              require: { properties: { 'First Name': { minLength: 2 } } },
              message: 'The first name of a fellow is written out.',
            },
          ],
          primary: { kind: 'moveToStep', step: 'Application' },
        },
      ],
    },
  ],
});

/** The usable definition with one place changed; `undefined` takes it away. */
export function changedDefinition(pointer: string, value: JsonValue | undefined): JsonObject {
  const definition = usableDefinition();
  const path = pointer.slice(1).split('/');
  const last = path.pop()!;
  const at = path.reduce((parent, step) => parent[step] as JsonObject, definition);
  if (value === undefined) delete at[last];
  else at[last] = value;
  return definition;
}

/** As `pointer code: sentence`; none: the definition is usable. */
export function mistakesIn(source: unknown): string[] {
  try {
    readDefinition(source);
    return [];
  } catch (error) {
    const { status, code, options } = error as DomainError;
    expect([status, code]).toEqual([400, 'invalid_definition']);
    return (options.errors ?? []).map(({ pointer, code: kind, message }) => `${pointer} ${kind}: ${message}`);
  }
}
