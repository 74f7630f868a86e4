import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DataSource } from 'typeorm';
import type { ServiceConfig } from '../platform/config/config-loader.js';
import { checkTransactionBound } from '../platform/database/session-settings.js';
import { refuseAmbiguousPublicPath } from '../platform/http/headers.js';
import { AppLogger } from '../platform/instrumentation.js';
import { createApp } from './bootstrap.js';
import { migrate, requireSchema } from './database.js';

export interface RunningService {
  /** The URL at which it listens, for example http://127.0.0.1:3000. */
  url: string;
  app: NestExpressApplication;
  stop(): Promise<void>;
}

/** Brings the schema up to date, then starts the application and listens. */
export async function startService(config: ServiceConfig): Promise<RunningService> {
  // Until the application exists, Nest would log in its own format.
  Logger.overrideLogger(new AppLogger(config.logLevel));
  if (config.migrateOnStart) await migrate(config);
  else await requireSchema(config.databaseUrl);
  const app = await createApp({ ...config, migrateOnStart: false });
  await checkTransactionBound(app.get(DataSource), {
    idleTransactionMs: config.databaseIdleTransactionMs,
  });
  try {
    await app.init();
    refuseAmbiguousPublicPath(config.publicUrl, app.getHttpAdapter().getInstance());
    await app.listen(config.port, config.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  const { port } = app.getHttpServer().address() as AddressInfo;
  return { url: `http://${urlHost(config.host)}:${port}`, app, stop: () => app.close() };
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
