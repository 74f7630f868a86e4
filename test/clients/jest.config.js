import config from '../jest.config.js';

const browser = config.projects.find(({ displayName }) => displayName === 'browser');

/** Installs packages from the registry, so only `npm run test:clients` runs it. */
export default { ...browser, displayName: 'clients', testMatch: ['<rootDir>/test/clients/**/*.spec.ts'] };
