import type { JsonObject } from '../../src/platform/json/json-value.js';
import { told, WorkflowBench } from '../support/workflow-bench.js';

const row: JsonObject = { ':UniqueId': 'M-1' };

describe('the actions of a workflow import', () => {
  let bench: WorkflowBench;

  beforeAll(async () => {
    bench = await WorkflowBench.start();
  });
  beforeEach(() => bench.clear());
  afterAll(() => bench.stop());

  const act = (action: string, step = 'Reopen') => bench.process([row], { configuration: { step, action } });
  const state = async () => {
    const [instance] = await bench.instances();
    return `${instance?.status} at ${instance?.step}`;
  };

  it.each([
    ['Save', 'incomplete at Application'],
    ['Move', 'incomplete at Review'],
    ['Succeed', 'completed_successfully at Application'],
    ['Fail', 'completed_unsuccessfully at Application'],
    ['Undo', 'incomplete at Application'],
  ])('%s leaves a new instance %s', async (action, expected) => {
    expect(told(await act(action))).toEqual(['1 created 1']);
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
    expect(told(await act(second))).toEqual([outcome]);
    expect(await state()).toBe(expected);
    expect((await bench.log()).slice(1).map((entry) => entry.changes)).toEqual(
      Object.keys(changes).length === 0 ? [] : [changes],
    );
  });

  it.each(['Succeed', 'Fail'])(
    'are refused on what is completed (by %s) unless the step acts on it',
    async (action) => {
      await act(action);
      const outcomes = await bench.process([{ ...row, Name: 'Eve' }, { ':UniqueId': 'M-2' }]);
      expect(told(outcomes)).toEqual(['1 rejected instance_completed 1', '2 created 2']);
      expect((await bench.instances())[0]!.attributes).toEqual(row);
      expect(told(await act('Undo'))).toEqual(['1 updated 1']);
      expect(told(await bench.process([{ ...row, Name: 'Eve' }]))).toEqual(['1 updated 1']);
    },
  );

  it('are chosen by each row, and the log names them', async () => {
    const rows = [
      { ...row, ':WorkflowActionName': 'Save' },
      { ...row, ':WorkflowActionId': 12 },
      { ...row, ':WorkflowActionName': 'Succeed' },
    ];
    const outcomes = await bench.process(rows, { configuration: { step: 'Reopen', action: undefined } });
    expect(told(outcomes)).toEqual(['1 created 1', '2 updated 1', '3 updated 1']);
    expect((await bench.log()).map(({ action }) => action)).toEqual(['Save', 'Move', 'Succeed']);
  });
});
