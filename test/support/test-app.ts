import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from '../../src/app/start.js';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import type { AppConfig } from '../../src/platform/config/config.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** An API key with every permission that each test application accepts. */
export const TEST_API_KEY = 'test-key-with-every-permission';
export const TEST_ADMIN = { email: 'admin@example.org', password: 'correct horse battery' };

export interface TestApp {
  app: NestExpressApplication;
  config: AppConfig;
  database: TestDatabase;
  /** http://127.0.0.1:<port> */
  url: string;
  close(): Promise<void>;
}

/**
 * The real application on its own database and its own queue prefix, listening on a free loopback port.
 * @param reach how the application reaches its database, for example through a pooler
 */
export async function startTestApp(
  environment: Record<string, string> = {},
  reach: (databaseUrl: string) => string = (databaseUrl) => databaseUrl,
): Promise<TestApp> {
  const database = await createTestDatabase();
  const config = loadConfig({
    DATABASE_URL: reach(database.url),
    REDIS_URL: process.env.REDIS_URL,
    DATABASE_POOL_SIZE: '10',
    QUEUE_PREFIX: database.name,
    PORT: '0',
    PUBLIC_URL: 'https://imports.example.org',
    LOG_LEVEL: 'error',
    RECONCILE_INTERVAL_MS: '500',
    BOOTSTRAP_API_KEY: TEST_API_KEY,
    BOOTSTRAP_ADMIN_EMAIL: TEST_ADMIN.email,
    BOOTSTRAP_ADMIN_PASSWORD: TEST_ADMIN.password,
    SESSION_SECRET: 'a secret of the tests, nothing else',
    ...environment,
  });
  const app = await createApp(config);
  await app.listen(config.port, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    app,
    config,
    database,
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await app.close();
      await database.drop();
    },
  };
}
