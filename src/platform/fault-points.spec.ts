import { armFaultPoints, FAULT_POINTS, faultPoint, FAULTS_PATTERN } from './instrumentation.js';

describe('a fault point', () => {
  const signals: unknown[][] = [];

  beforeEach(() => {
    signals.length = 0;
    jest.spyOn(process, 'kill').mockImplementation((...signal) => {
      signals.push(signal);
      return true;
    });
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('does nothing unless it is armed', () => {
    for (const point of FAULT_POINTS) faultPoint(point);
    expect(signals).toEqual([]);
  });

  it('kills or freezes this process at the passage asked for, once', () => {
    armFaultPoints('chunk.before-commit:kill@3,message.after-accept:stop');
    faultPoint('chunk.before-commit');
    faultPoint('chunk.before-commit');
    expect(signals).toEqual([]);
    faultPoint('chunk.before-commit');
    faultPoint('chunk.before-commit');
    expect(signals).toEqual([[process.pid, 'SIGKILL']]);
    faultPoint('message.after-accept');
    expect(signals.at(-1)).toEqual([process.pid, 'SIGSTOP']);
  });

  it.each([
    'chunk.before-commit',
    'chunk.before-commit:explode',
    'chunkXbefore-commit:kill',
    'nowhere:kill',
    'chunk.before-commit:kill@',
    'chunk.before-commit:kill,',
    'chunk.before-commit:kill;message.after-accept:kill',
  ])('is not armed by %s', (faults) => {
    expect(faults).not.toMatch(FAULTS_PATTERN);
  });

  it.each(['chunk.before-commit:kill', 'batch.after-end-commit:stop@12,message.before-send:kill'])(
    'is armed by %s',
    (faults) => expect(faults).toMatch(FAULTS_PATTERN),
  );
});
