/**
 * `npm run quickstart`: from a fresh clone to a finished import. Installs and builds what is missing, then
 * src/quickstart does the rest. `npm run quickstart -- --once` ends after the import.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, ROOT } from './preparation.mjs';

ensureInstalled();
ensureBuilt();

const program = join(ROOT, 'dist', 'quickstart', 'quickstart.js');
const child = spawn(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
// It stops in order by itself; we stay until it has.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
