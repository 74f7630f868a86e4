module.exports = async function globalTeardown() {
  const { stopServers } = await import('./servers.js');
  await stopServers();
};
