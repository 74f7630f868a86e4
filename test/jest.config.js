import { fileURLToPath } from 'node:url';

/**
 * NestJS 12 is ESM only and the mailer is CommonJS; Jest runs both by letting swc turn everything,
 * node_modules included, into CommonJS (the first run takes longer, then the transform cache serves).
 */
const swc = (parser) => [
  '@swc/jest',
  {
    jsc: {
      parser,
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
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': swc({ syntax: 'typescript', decorators: true }),
    '^.+\\.m?js$': swc({ syntax: 'ecmascript' }),
  },
  transformIgnorePatterns: [],
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
});

export default {
  rootDir,
  testTimeout: 60_000,
  // Tests wait for servers more than they compute: two at a time take half as long, on two cores too.
  maxWorkers: 2,
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/property/**/*.spec.ts'],
    },
    onServers('integration'),
    onServers('e2e'),
    // Of playwright-core nothing needs to be transformed, and its size makes that take long.
    { ...onServers('browser'), transformIgnorePatterns: ['/node_modules/(playwright-core|axe-core)/'] },
    { ...onServers('crash'), globalSetup: '<rootDir>/test/crash/support/global-setup.cjs' },
  ],
};
