import { Logger } from '@nestjs/common';
import { type RunningService, startService } from '../src/app/start.js';
import type { AppConfig } from '../src/platform/config/config.js';
import { AppLogger } from '../src/platform/instrumentation.js';
import { startEmbeddedServers } from './embedded/embedded-servers.js';

/**
 * The service, with an embedded PostgreSQL or Redis in place of each server that the configuration does not name.
 * `stop` ends the application first, because the application needs the servers until then.
 * Why: ADR 25.
 */
export async function startWithServers(config: AppConfig): Promise<RunningService> {
  Logger.overrideLogger(new AppLogger(config.logLevel));
  const servers = await startEmbeddedServers(config);
  try {
    const service = await startService({ ...config, ...servers });
    const stop = async () => {
      await service.stop();
      await servers.stop();
    };
    return { ...service, stop };
  } catch (error) {
    await servers.stop();
    throw error;
  }
}
