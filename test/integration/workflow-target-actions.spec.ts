import type { JsonObject } from '../../src/platform/json/json-value.js';
import { outcomesOf, WorkflowFixture } from '../support/workflow-fixture.js';

const row: JsonObject = { ':UniqueId': 'M-1' };

describe('the actions of a workflow import', () => {
  let fixture: WorkflowFixture;

  beforeAll(async () => {
    fixture = await WorkflowFixture.start();
  });
  beforeEach(() => fixture.clear());
  afterAll(() => fixture.stop());

  const act = (action: string, step = 'Reopen') =>
    fixture.process([row], { configuration: { step, action } });
  const state = async () => {
    const [instance] = await fixture.instances();
    return `${instance?.status} at ${instance?.step}`;
  };

  it.each([
    ['Save', 'incomplete at Application'],
    ['Move', 'incomplete at Review'],
    ['Succeed', 'completed_successfully at Application'],
    ['Fail', 'completed_unsuccessfully at Application'],
    ['Undo', 'incomplete at Application'],
  ])('%s leaves a new instance %s', async (action, expected) => {
    expect(outcomesOf(await act(action))).toEqual(['1 created 1']);
    expect(await state()).toBe(expected);
  });

  it.each([
    ['Succeed', 'Save', '1 unchanged 1', 'completed_successfully at Application', {}],
    ['Succeed', 'Succeed', '1 unchanged 1', 'completed_successfully at Application', {}],
    ['Succeed', 'Undo', '1 updated 1', 'incomplete at Application', { ':WorkflowStatus': ['completed_successfully', 'incomplete'] }], // prettier-ignore
    ['Succeed', 'Fail', '1 updated 1', 'completed_unsuccessfully at Application', { ':WorkflowStatus': ['completed_successfully', 'completed_unsuccessfully'] }], // prettier-ignore
    ['Save', 'Succeed', '1 updated 1', 'completed_successfully at Application', { ':WorkflowStatus': ['incomplete', 'completed_successfully'] }], // prettier-ignore
    ['Save', 'Move', '1 updated 1', 'incomplete at Review', { ':WorkflowStep': ['Application', 'Review'] }],
    ['Move', 'Move', '1 unchanged 1', 'incomplete at Review', {}],
    ['Fail', 'Move', '1 updated 1', 'completed_unsuccessfully at Review', { ':WorkflowStep': ['Application', 'Review'] }], // prettier-ignore
  ])('after %s, %s is %s', async (first, second, outcome, expected, changes) => {
    await act(first);
    expect(outcomesOf(await act(second))).toEqual([outcome]);
    expect(await state()).toBe(expected);
    expect((await fixture.log()).slice(1).map((entry) => entry.changes)).toEqual(
      Object.keys(changes).length === 0 ? [] : [changes],
    );
  });

  it.each(['Succeed', 'Fail'])(
    'are refused on completed instances (by %s) unless the step acts on them',
    async (action) => {
      await act(action);
      const outcomes = await fixture.process([{ ...row, Name: 'Eve' }, { ':UniqueId': 'M-2' }]);
      expect(outcomesOf(outcomes)).toEqual(['1 rejected instance_completed 1', '2 created 2']);
      expect((await fixture.instances())[0]!.attributes).toEqual(row);
      expect(outcomesOf(await act('Undo'))).toEqual(['1 updated 1']);
      expect(outcomesOf(await fixture.process([{ ...row, Name: 'Eve' }]))).toEqual(['1 updated 1']);
    },
  );

  it('are chosen by each row, and the log names them', async () => {
    const rows = [
      { ...row, ':WorkflowActionName': 'Save' },
      { ...row, ':WorkflowActionId': 12 },
      { ...row, ':WorkflowActionName': 'Succeed' },
    ];
    const outcomes = await fixture.process(rows, { configuration: { step: 'Reopen', action: undefined } });
    expect(outcomesOf(outcomes)).toEqual(['1 created 1', '2 updated 1', '3 updated 1']);
    expect((await fixture.log()).map(({ action }) => action)).toEqual(['Save', 'Move', 'Succeed']);
  });
});
