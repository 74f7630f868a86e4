import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { createTestDatabase } from './test-database.js';

export interface TestDatabaseService {
  database: DatabaseService;
  stop: () => Promise<void>;
}

/** The service on a fresh database, without an application around it. */
export async function startDatabaseService(): Promise<TestDatabaseService> {
  const fresh = await createTestDatabase();
  const options = dataSourceOptions({ databaseUrl: fresh.url, databasePoolSize: 12, migrateOnStart: false });
  const source = await new DataSource(options).initialize();
  return {
    database: new DatabaseService(source),
    stop: async () => {
      await source.destroy();
      await fresh.drop();
    },
  };
}
