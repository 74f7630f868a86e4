/**
 * `npm run quickstart`: from a fresh clone to a finished import. Installs missing packages and leaves the rest to
 * dev/quickstart. `npm run quickstart -- --once` ends after the import.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, ROOT, TYPESCRIPT } from './preparation.mjs';
import { useSupportedNode } from './supported-node.mjs';

await useSupportedNode();
ensureInstalled();

const program = join(ROOT, 'dev', 'quickstart', 'quickstart.ts');
const child = spawn(process.execPath, [...TYPESCRIPT, program, ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
// The child stops in order; this process stays until it has.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
