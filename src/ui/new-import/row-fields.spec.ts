import { compileGrantRole } from '../../../test/support/grant-role.js';
import { fieldOf } from '../../import-queue/fix-drafts.service.js';
import type { AttributeDefinition } from '../../workflows/definition.js';
import { rowFields } from './row-form.js';

const fields = (values: Record<string, string> = {}, error: Parameters<typeof rowFields>[2] = null) =>
  new Map(
    rowFields(compileGrantRole({ action: 'Grant' }), new Map(Object.entries(values)), error).map((field) => [
      field.name,
      field,
    ]),
  );

const EVERY_TYPE: AttributeDefinition[] = [
  { name: 'Mail', type: 'Email' },
  { name: 'Page', type: 'Url' },
  { name: 'Yes', type: 'Boolean' },
  { name: 'Moment', type: 'DateTime' },
  { name: 'Reason', type: 'LongText' },
];
const compileEveryType = (required: string[]) =>
  compileGrantRole({ action: 'Set' }, null, {
    name: 'grant-role',
    title: 'Every type',
    entityType: 'Thing',
    identifiers: [{ name: ':Email', unique: true, format: 'email' }],
    attributes: EVERY_TYPE,
    steps: [
      {
        name: 'Import',
        kind: 'dataImport',
        actions: [
          {
            id: 1,
            name: 'Set',
            inputs: EVERY_TYPE.map(({ name }) => name),
            required,
            primary: { kind: 'save' },
          },
        ],
      },
    ],
  });

describe('the form of a row', () => {
  it.each([
    [':UniqueId', 'text'],
    ['First Name', 'text'],
    ['Born', 'date'],
    ['Hours', 'number'],
    ['Level', 'select'],
  ])('shows %s as the input %s', (name, type) => {
    expect(fields().get(name)?.type).toBe(type);
  });

  /** Break it: in `typeOf`, leave the patterns out; in `optionsOf`, `boolean`; in `isOfAnyLength`, `pattern`. */
  it.each([
    [':Email', 'email'],
    ['Mail', 'email'],
    ['Page', 'url'],
    ['Yes', 'select'],
    ['Moment', 'text'],
    ['Reason', 'area'],
  ])('shows %s of a workflow as the input %s, required or not', (name, type) => {
    for (const required of [[], EVERY_TYPE.map((attribute) => attribute.name)]) {
      const found = rowFields(compileEveryType(required), new Map(), null).find(
        (field) => field.name === name,
      );
      expect(found?.type).toBe(type);
    }
  });

  it('offers true and false for a boolean, and keeps the choice', () => {
    const [yes] = rowFields(compileEveryType([]), new Map([['Yes', 'false']]), null).filter(
      ({ name }) => name === 'Yes',
    );
    expect(yes?.options).toEqual([
      { value: 'true', selected: false },
      { value: 'false', selected: true },
    ]);
  });

  it('offers the options of a pick list, and keeps the choice', () => {
    expect(fields({ Level: 'Fellow' }).get('Level')?.options).toEqual([
      { value: 'Associate', selected: false },
      { value: 'Fellow', selected: true },
    ]);
  });

  it('shows an error at its column only', () => {
    const shown = fields({}, { code: 'not_a_date', message: 'is no date', pointer: '/Born' });
    expect([...shown.values()].filter(({ error }) => error !== null).map(({ name }) => name)).toEqual([
      'Born',
    ]);
  });

  it.each([
    ['/a~1b~0c', 'a/b~c'],
    ['/Areas/2', 'Areas'],
    [undefined, null],
  ])('finds the column of %s', (pointer, column) => {
    expect(fieldOf(pointer)).toBe(column);
  });
});
