/**
 * `npm run quickstart`: from a fresh clone to a finished import. Installs what is missing, then
 * dev/quickstart does the rest. `npm run quickstart -- --once` ends after the import.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, ROOT, TYPESCRIPT } from './preparation.mjs';

ensureInstalled();

const program = join(ROOT, 'dev', 'quickstart', 'quickstart.ts');
const child = spawn(process.execPath, [...TYPESCRIPT, program, ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
// It stops in order by itself; we stay until it has.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
