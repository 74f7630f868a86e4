import { compileGrantRole, granting, parsed, refusal } from '../../../test/support/grant-role.js';
import { compileJsonSchema } from '../../platform/json/json-schema.js';

describe('a row performs', () => {
  const open = compileGrantRole();

  it.each([
    [{ ':WorkflowActionId': 12 }],
    [{ ':WorkflowActionId': '12' }],
    [{ ':WorkflowActionName': 'Revoke' }],
    [{ ':WorkflowActionName': 'Revoke', ':WorkflowActionId': '' }],
  ])('the action it names, whatever the import process says: %j', (choice) => {
    expect(parsed({ ...choice, Reason: 'left' }, open).action.name).toBe('Revoke');
    expect(parsed({ ...choice, Reason: 'left' }, granting).action.name).toBe('Revoke');
  });

  it.each([{}, { ':WorkflowActionName': '' }, { ':WorkflowActionId': null }])(
    'the action of the import process if it names none: %j',
    (choice) => {
      expect(parsed({ ...choice, 'First Name': 'Ada' }).action.name).toBe('Grant');
    },
  );

  it("its step's only action if nobody names one", () => {
    expect(parsed({}, compileGrantRole({ step: 'Application' })).action.name).toBe('Apply');
  });

  it('nothing if nobody names one of several', () => {
    expect(refusal({ 'First Name': 'Ada' }, open)).toEqual({
      code: 'ambiguous_action',
      message: 'the step "Import" has several actions: name one of "Grant", "Revoke" in :WorkflowActionName',
    });
  });

  it('nothing if it names one by id and by name', () => {
    const row = { ':WorkflowActionId': 12, ':WorkflowActionName': 'Revoke', Reason: 'left' };
    expect(refusal(row)).toMatchObject({ code: 'action_chosen_twice' });
  });

  it.each([
    [{ ':WorkflowActionName': 'Garnt' }, '/:WorkflowActionName', 'Did you mean "Grant"?'],
    [{ ':WorkflowActionName': 'Apply' }, '/:WorkflowActionName', 'found "Apply"'],
    [{ ':WorkflowActionName': 'toString' }, '/:WorkflowActionName', 'found "toString"'],
    [{ ':WorkflowActionName': ['Grant'] }, '/:WorkflowActionName', 'found an array'],
    [{ ':WorkflowActionId': 13 }, '/:WorkflowActionId', '11 ("Grant"), 12 ("Revoke"); found 13'],
    [{ ':WorkflowActionId': '011' }, '/:WorkflowActionId', 'found "011"'],
    [{ ':WorkflowActionId': true }, '/:WorkflowActionId', 'found true'],
  ])('no action that its step has not: %j', (choice, pointer, message) => {
    expect(refusal({ ...choice, 'First Name': 'Ada' })).toEqual({
      code: 'unknown_action',
      pointer,
      message: expect.stringContaining(message) as string,
    });
  });

  it('nothing at a step that has no action', () => {
    const idle = compileGrantRole({ step: 'Idle' });
    expect(refusal({}, idle)).toEqual({ code: 'ambiguous_action', message: 'the step "Idle" has no action' });
    expect(compileJsonSchema(idle.schema)({})).not.toBeNull();
  });
});
