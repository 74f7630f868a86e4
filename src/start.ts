import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from './bootstrap.js';
import { AppLogger } from './common/app-logger.js';
import type { AppConfig } from './config/config.js';
import { migrate } from './database/migrate.js';
import { startEmbeddedServers } from './embedded/embedded-servers.js';

export interface RunningService {
  /** Where it listens, for example http://127.0.0.1:3000. */
  url: string;
  app: NestExpressApplication;
  /** Ends the application, then the embedded servers it may still need to the last. */
  stop(): Promise<void>;
}

/** Everything a process of ours runs: embedded servers where no URL is set, the schema, the application. */
export async function startService(config: AppConfig): Promise<RunningService> {
  // From the first line on in the form of all others; Nest would use its own until the application exists.
  Logger.overrideLogger(new AppLogger(config.logLevel));
  const servers = await startEmbeddedServers(config);
  const { databaseUrl, redisUrl } = servers;
  let stop = () => servers.stop();
  try {
    if (config.migrateOnStart) await migrate({ ...config, databaseUrl });
    const app = await createApp({ ...config, databaseUrl, redisUrl, migrateOnStart: false });
    stop = async () => {
      await app.close();
      await servers.stop();
    };
    await app.listen(config.port, config.host);
    const { port } = app.getHttpServer().address() as AddressInfo;
    return { url: `http://${urlHost(config.host)}:${port}`, app, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
