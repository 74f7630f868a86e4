import { compileGrantRole, granting, refusal } from '../../../test/support/grant-role.js';

describe('the columns of a template', () => {
  it('are the identifiers and the inputs of the action', () => {
    expect(granting.columns.map(({ name, required }) => [name, required])).toEqual([
      [':UniqueId', false],
      [':Email', false],
      [':Team', false],
      ['First Name', true],
      ['Born', false],
      ['Hours', false],
      ['Level', false],
      ['a/b~c', false],
    ]);
    expect(granting.columns[4]?.description).toBe('Day of birth. Date written YYYY-MM-DD');
  });

  it('have the action where the row must name it, and nothing required that another action has not', () => {
    const { columns } = compileGrantRole();
    expect(columns.filter(({ required }) => required).map(({ name }) => name)).toEqual([
      ':WorkflowActionName',
    ]);
    expect(columns.map(({ name }) => name)).toContain('Reason');
  });

  it('hold examples that are accepted', () => {
    const row = Object.fromEntries(granting.columns.map(({ name, example }) => [name, example]));
    expect(refusal(row)).toBeNull();
  });
});
