const { createRequire } = require('node:module');
const { compileFunction, constants } = require('node:vm');
const { default: Runtime } = require('jest-runtime');

/** `lodash` or `@nestjs/common`, but no path, no module of Node and nothing of Jest, whose state belongs to one file. */
const PACKAGE = /^(?![./])(?!node:)(?!expect$|jest-|@jest\/)/;

/**
 * Loads packages as Node does, once per worker. Jest would read, compile and run the two thousand modules of Nest,
 * TypeORM and the others again for each test file, which took more than half of a file's processor time. The project's
 * own modules are fresh in each file, as ever.
 */
module.exports = class WorkerRuntime extends Runtime {
  constructor(...args) {
    super(...args);
    const { executor } = this;
    executor.compile = (source, filename) =>
      compileFunction(source, executor.injectedModuleParameters, {
        filename,
        importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      });
  }

  requireModuleOrMock(from, moduleName) {
    if (PACKAGE.test(moduleName) && !this._resolution.isCoreModule(moduleName)) {
      return createRequire(from)(moduleName);
    }
    return super.requireModuleOrMock(from, moduleName);
  }
};
