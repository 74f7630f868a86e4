import { createRequire } from 'node:module';
import * as pg from 'pg';

const WorkerEnvironment = createRequire(__filename)('./environment.cjs') as new () => {
  teardown(): Promise<void>;
};

describe('the worker of tests', () => {
  /** Break it: leave `requireModuleOrMock` out of `runtime.cjs`. */
  it('leaves packages to Node, in the realm of the tests', () => {
    expect(Object.keys(require.cache).filter((path) => path.includes('/node_modules/pg/'))).toEqual([]);
    expect(new pg.DatabaseError('lost', 4, 'error')).toBeInstanceOf(Error);
  });

  /** Break it: leave one of the steps out of `teardown`. */
  it('undoes what a file adds to the global object, the environment and the listeners', async () => {
    const environment = new WorkerEnvironment();
    const { exit, env } = process;
    const former = { ...env };
    const { console } = globalThis;
    const listener = () => undefined;
    Object.assign(globalThis, { leftBehind: true, console: {} });
    process.exit = (() => undefined) as never;
    process.on('SIGUSR2', listener);
    Object.assign(env, { LEFT_BEHIND: 'yes', PATH: '' });
    delete env.HOME;

    await environment.teardown();
    expect(globalThis).not.toHaveProperty('leftBehind');
    expect(globalThis.console).toBe(console);
    expect(process.exit).toBe(exit);
    expect(process.listeners('SIGUSR2')).not.toContain(listener);
    expect({ ...env }).toEqual(former);
  });
});
