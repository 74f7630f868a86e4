import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { loadConfig } from '../platform/config/config-loader.js';
import { explainStartFailure, StartError } from '../platform/errors.js';
import { AppLogger } from '../platform/instrumentation.js';
import { migrate, revertLastMigration } from './database.js';

/**
 * `npm run migration:run` and `npm run migration:revert`, for installations that do not migrate at start. Compiled, so
 * that they run without development packages.
 */
const [command = 'run'] = process.argv.slice(2);
try {
  const config = loadConfig();
  Logger.overrideLogger(new AppLogger(config.logLevel));
  if ((config.migrationDatabaseUrl ?? config.databaseUrl) === undefined) {
    throw new StartError(
      'DATABASE_URL must name the database to migrate, for example ' +
        'DATABASE_URL=postgres://user:password@localhost:5432/database ' +
        '(npm run quickstart migrates its own database at every start)',
    );
  }
  const names = command === 'revert' ? await revertLastMigration(config) : await migrate(config);
  const done = command === 'revert' ? 'Reverted' : 'Applied';
  process.stdout.write(names.length > 0 ? `${done}: ${names.join(', ')}\n` : 'The schema is up to date.\n');
} catch (error) {
  process.stderr.write(`${explainStartFailure(error)}\n`);
  process.exitCode = 1;
}
