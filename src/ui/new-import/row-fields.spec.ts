import { compileGrantRole } from '../../../test/support/grant-role.js';
import { columnOf, rowFields } from './row-fields.js';

const fields = (values: Record<string, string> = {}, error: Parameters<typeof rowFields>[2] = null) =>
  new Map(
    rowFields(compileGrantRole({ action: 'Grant' }), new Map(Object.entries(values)), error).map((field) => [
      field.name,
      field,
    ]),
  );

describe('the form of a row', () => {
  it.each([
    [':UniqueId', 'text'],
    ['First Name', 'text'],
    ['Born', 'date'],
    ['Hours', 'number'],
    ['Level', 'select'],
  ])('has for %s the input %s', (name, type) => {
    expect(fields().get(name)?.type).toBe(type);
  });

  it('offers the options of a pick list, and keeps the one that was chosen', () => {
    expect(fields({ Level: 'Fellow' }).get('Level')?.options).toEqual([
      { value: 'Associate', selected: false },
      { value: 'Fellow', selected: true },
    ]);
  });

  it('says at the column of a mistake what it is, and nowhere else', () => {
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
    expect(columnOf(pointer)).toBe(column);
  });
});
