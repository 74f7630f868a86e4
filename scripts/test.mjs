/**
 * `npm test`: every test, on the servers of DATABASE_URL and REDIS_URL or on embedded ones. Installs missing packages
 * first. Arguments go to Jest: `npm test -- --selectProjects unit`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './preparation.mjs';
import { useSupportedNode } from './supported-node.mjs';

await useSupportedNode();
// The tests of traces use the optional packages.
ensureInstalled({ needsOptional: true });

const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
const child = spawn(process.execPath, [jest, '--config', 'test/jest.config.js', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
