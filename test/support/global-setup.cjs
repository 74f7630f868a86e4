/**
 * Once per run: real servers, and a migrated database that every test file clones. Jest loads this file
 * outside its own module mapping, hence plain JavaScript and a loader for the TypeScript it needs.
 */
module.exports = async function globalSetup() {
  await import('@swc-node/register/esm-register');
  const { startServers } = await import('./servers.js');
  await startServers();
};
