import config from '../jest.config.js';

const e2e = config.projects.find(({ displayName }) => displayName === 'e2e');

/** Installs packages from the registry, so only `npm run test:clients` runs it. */
export default { ...e2e, displayName: 'clients', testMatch: ['<rootDir>/test/clients/**/*.spec.ts'] };
