import base from '../jest.config.js';

/** On demand, because they need redis-sentinel, redis-cli, pgbouncer and more on the PATH, and up to an hour. */
const common = base.projects.find(({ displayName }) => displayName === 'crash');
const crash = {
  ...common,
  // Not the cheap passwords: the programs that these tests start would refuse them.
  setupFilesAfterEnv: ['<rootDir>/test/support/patience.cjs'],
};

export default {
  ...base,
  projects: [
    { ...crash, displayName: 'ha', testMatch: ['<rootDir>/test/ha/**/*.spec.ts'] },
    {
      ...crash,
      displayName: 'pooled-crash',
      setupFiles: ['<rootDir>/test/ha/support/through-pooler.cjs'],
    },
  ],
};
