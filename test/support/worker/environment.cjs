const { ModuleMocker } = require('jest-mock');

/**
 * Runs every test file of a Jest worker in the worker's own realm, so that the packages that `runtime.cjs` keeps and the
 * project's modules share one `Error`, `Array` and `process`. What a file adds to the global object, the environment or
 * the listeners of the process is undone after it.
 */
module.exports = class WorkerEnvironment {
  constructor() {
    this.global = globalThis;
    this.moduleMocker = new ModuleMocker(globalThis);
    // No test uses Jest's timers: they would stop those of Jest itself.
    this.fakeTimers = null;
    this.fakeTimersModern = null;
    this.before = {
      keys: new Set(Reflect.ownKeys(globalThis)),
      variables: { ...process.env },
      console: globalThis.console,
      exit: process.exit,
      getBuiltinModule: process.getBuiltinModule,
      listeners: new Map(process.eventNames().map((name) => [name, process.rawListeners(name)])),
      stackTraceLimit: Error.stackTraceLimit,
    };
  }

  async setup() {}

  async teardown() {
    const { keys, variables, console, exit, getBuiltinModule, listeners, stackTraceLimit } = this.before;
    for (const key of Reflect.ownKeys(globalThis))
      if (!keys.has(key)) Reflect.deleteProperty(globalThis, key);
    for (const name of Object.keys(process.env)) if (!(name in variables)) delete process.env[name];
    Object.assign(process.env, variables);
    globalThis.console = console;
    Object.assign(process, { exit, getBuiltinModule });
    for (const name of process.eventNames()) {
      const known = listeners.get(name) ?? [];
      for (const listener of process.rawListeners(name))
        if (!known.includes(listener)) process.removeListener(name, listener);
    }
    Error.stackTraceLimit = stackTraceLimit;
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  /** Only asked whether the environment still exists: `runtime.cjs` compiles. */
  getVmContext() {
    return globalThis;
  }
};
