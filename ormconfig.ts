import { DataSource } from 'typeorm';
import { dataSourceOptions } from './src/app/database.js';
import { ConfigurationError, loadConfig } from './src/platform/config/config-loader.js';

/** For the TypeORM command line: `npm run migration:run`, `migration:revert`, `migration:generate`. */
export default new DataSource(dataSourceOptions({ ...migrationConfig(), migrateOnStart: false }));

function migrationConfig() {
  try {
    const config = loadConfig();
    if (config.databaseUrl !== undefined) return config;
    throw new ConfigurationError([
      'DATABASE_URL must say which database to migrate, for example ' +
        'DATABASE_URL=postgres://user:password@localhost:5432/database ' +
        '(the embedded PostgreSQL is migrated whenever the service starts)',
    ]);
  } catch (error) {
    // TypeORM would print a stack around it.
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}
