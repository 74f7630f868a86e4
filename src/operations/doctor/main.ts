import 'reflect-metadata';
import { Client } from 'pg';
import { loadConfig } from '../../platform/config/config-loader.js';
import { DatabaseUnreachableError } from '../../platform/database/postgres-errors.js';
import { explainStartFailure } from '../../platform/errors.js';
import { describeViolations, examine } from './examination.js';
import { INVARIANTS } from './invariants.js';

const USAGE = `npm run doctor [-- --quick] [-- --json]
  Checks what must hold of the database of DATABASE_URL while it is in use, and changes nothing.
  --quick  leaves out what reads every record
  --json   for programs
Ends with 0 when all is well, 1 when something is not, 2 when it could not look.
`;

const flags = process.argv.slice(2);
try {
  if (flags.some((flag) => !['--quick', '--json'].includes(flag))) {
    process.stderr.write(USAGE);
    process.exit(2);
  }
  const { databaseUrl } = loadConfig();
  if (databaseUrl === undefined) throw new Error('Set DATABASE_URL to the database that is to be examined.');
  const invariants = INVARIANTS.filter(({ cheap }) => cheap || !flags.includes('--quick'));
  const client = new Client({
    connectionString: databaseUrl,
    application_name: 'workflow-import-queue doctor',
  });
  await client.connect().catch((error: unknown) => {
    throw new DatabaseUnreachableError(databaseUrl, error);
  });
  // One moment for all of them, and not one lock that anybody waits for.
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const violations = await examine(client, invariants);
  await client.end();
  process.stdout.write(
    flags.includes('--json')
      ? `${JSON.stringify({ examined: invariants.length, violations })}\n`
      : describeViolations(violations, invariants.length),
  );
  process.exitCode = violations.length === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${explainStartFailure(error)}\n`);
  process.exitCode = 2;
}
