import base from '../jest.config.js';

/** `npm run test:ha`: on demand, because it needs redis-sentinel, redis-cli and pgbouncer on the PATH, and minutes. */
const crash = base.projects.find(({ displayName }) => displayName === 'crash');

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
