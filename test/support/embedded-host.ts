import { startEmbeddedServers } from '../../dev/embedded/embedded-servers.js';

/**
 * A process of its own that runs embedded servers in the directory it is given, so that a test can kill
 * it: prints the URLs as one line of JSON, stops on SIGTERM.
 */
const [dataDir = ''] = process.argv.slice(2);
try {
  const servers = await startEmbeddedServers({ dataDir, databaseUrl: undefined, redisUrl: undefined });
  process.on('SIGTERM', () => void servers.stop().then(() => process.exit(0)));
  // The servers alone do not keep a process alive.
  setInterval(() => undefined, 60_000);
  console.log(JSON.stringify({ databaseUrl: servers.databaseUrl, redisUrl: servers.redisUrl }));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
