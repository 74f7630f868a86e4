import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { loadConfig } from '../../platform/config/config-loader.js';
import type { AppConfig } from '../../platform/config/config.js';
import { DatabaseUnreachableError } from '../../platform/database/postgres-errors.js';
import { explainStartFailure, StartError } from '../../platform/errors.js';
import { describeNotes, describeViolations, examine, type InvariantViolation, NOTES } from './examination.js';
import { INVARIANTS } from './invariants.js';
import { describeRepairs, repair } from './repairs.js';

const USAGE = `npm run doctor [-- --quick] [-- --json] [-- --repair [--apply]]
  Checks the invariants of the database of DATABASE_URL, or of a running quickstart, and changes nothing;
  only the audit log gets the result.
  --quick   leaves out checks that read every record; not with --repair
  --json    prints JSON
  --repair  tries the repairs of damage where one side of the contradiction is certain, and takes them back
  --apply   stores these repairs
Exit codes: 0 all is well, 1 an invariant does not hold, 2 the database could not be examined.
`;
const FLAGS = ['--quick', '--json', '--repair', '--apply'];

const flags = process.argv.slice(2);
let opened: Client | undefined;
try {
  const repairs = flags.includes('--repair');
  const applies = flags.includes('--apply');
  if (flags.some((flag) => !FLAGS.includes(flag)) || (applies && !repairs)) {
    process.stderr.write(USAGE);
    process.exit(2);
  }
  const databaseUrl = databaseUrlOf(loadConfig());
  // A repair may need what only the records say.
  const isQuick = flags.includes('--quick') && !repairs;
  const invariants = INVARIANTS.filter(({ cheap }) => cheap || !isQuick);
  const client = new Client({
    connectionString: databaseUrl,
    application_name: 'workflow-import-queue doctor',
  });
  opened = client;
  await client.connect().catch((error: unknown) => {
    throw new DatabaseUnreachableError(databaseUrl, error);
  });
  // One snapshot for all invariants, without locks that would block other transactions.
  const access = repairs ? '' : ' READ ONLY';
  await client.query(`BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ${access}`);
  const violations = await examine(client, invariants);
  const notes = await examine(client, NOTES);
  const reports = repairs && violations.length > 0 ? await repair(client, violations) : [];
  await client.query(applies ? 'COMMIT' : 'ROLLBACK');
  await noteResult(client, invariants.length, violations);
  process.stdout.write(
    flags.includes('--json')
      ? `${JSON.stringify({ examined: invariants.length, violations, notes, repairs: reports })}\n`
      : describeViolations(violations, invariants.length) +
          (repairs && violations.length > 0 ? describeRepairs(reports, applies) : '') +
          describeNotes(notes),
  );
  const repaired = applies && reports.filter(({ left }) => left === 0).length === violations.length;
  process.exitCode = violations.length === 0 || repaired ? 0 : 1;
} catch (error) {
  process.stderr.write(`${explainStartFailure(error)}\n`);
  process.exitCode = 2;
} finally {
  // An open connection would keep the process alive.
  await opened?.end().catch(() => undefined);
}

/**
 * The page of settings shows the last result. A role that may only read, or a schema that does not fit, must not hide it
 * here.
 */
async function noteResult(
  client: Client,
  examined: number,
  violations: readonly InvariantViolation[],
): Promise<void> {
  const violated = violations.map(({ invariant }) => invariant.code);
  const details = { examined, violated, quick: flags.includes('--quick') };
  await client
    .query(
      `INSERT INTO audit_log (action, details, outcome, occurrences) VALUES ('doctor_ran', $1, 'done', 1)`,
      [JSON.stringify(details)],
    )
    .catch(() => undefined);
}

/** Without DATABASE_URL, the embedded PostgreSQL of DATA_DIR, which records its URL in a file while it runs. */
function databaseUrlOf({ databaseUrl, dataDir }: AppConfig): string {
  if (databaseUrl !== undefined) return databaseUrl;
  try {
    return readFileSync(join(dataDir, 'postgres.url'), 'utf8');
  } catch (cause) {
    throw new StartError(
      `Set DATABASE_URL to the database to examine. No embedded PostgreSQL is running in ${dataDir} (DATA_DIR).`,
      { cause },
    );
  }
}
