import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Turns our TypeScript into CommonJS, which is what Jest runs. `runtime.cjs` leaves packages to Node. */
const swc = [
  '@swc/jest',
  {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      target: 'es2022',
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      keepClassNames: true,
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
];

const rootDir = fileURLToPath(new URL('..', import.meta.url));

const common = {
  rootDir,
  runtime: '<rootDir>/test/support/worker/runtime.cjs',
  testEnvironment: '<rootDir>/test/support/worker/environment.cjs',
  transform: { '^.+\\.ts$': swc },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.data'],
  cacheDirectory: '<rootDir>/.cache/jest',
};

const onServers = (name) => ({
  ...common,
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.spec.ts`],
  globalSetup: '<rootDir>/test/support/global-setup.cjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.cjs',
  setupFilesAfterEnv: ['<rootDir>/test/support/cheap-passwords.cjs'],
});

export default {
  rootDir,
  testTimeout: 120_000,
  testSequencer: '<rootDir>/test/support/worker/sequencer.cjs',
  // Tests wait for PostgreSQL, timers and other programs for about 40 % of their time: one more fills the gaps.
  maxWorkers: availableParallelism() + 1,
  // A worker that has grown beyond this is replaced before its next file.
  workerIdleMemoryLimit: '700MB',
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['src', 'test/property', 'test/support'].map((folder) => `<rootDir>/${folder}/**/*.spec.ts`),
    },
    onServers('integration'),
    onServers('e2e'),
    { ...onServers('browser'), globalSetup: '<rootDir>/test/support/browser/global-setup.cjs' },
    { ...onServers('crash'), globalSetup: '<rootDir>/test/crash/support/global-setup.cjs' },
    // Takes long, so only `npm run test:chaos` selects it. It starts servers of its own.
    ...(process.argv.includes('chaos')
      ? [{ ...common, displayName: 'chaos', testMatch: ['<rootDir>/test/chaos/**/*.spec.ts'] }]
      : []),
  ],
};
