/** Once per run: a Chromium, if this machine has none; then the servers, as for all tests. */
module.exports = async function globalSetup() {
  await import('@swc-node/register/esm-register');
  const { provideChromium } = await import('./find-chromium.js');
  provideChromium();
  await require('../global-setup.cjs')();
};
