module.exports = async function globalTeardown() {
  const { stopServers } = await import('./servers.ts');
  await stopServers();
};
