const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '../../..');

/** Once per run: the program as it is shipped, built if it is older than its source; then the servers, as for all tests. */
module.exports = async function globalSetup() {
  const built = join(ROOT, 'dist/main.js');
  if (!existsSync(built) || statSync(built).mtimeMs < newestIn(join(ROOT, 'src'))) build();
  await require('../../support/global-setup.cjs')();
};

function newestIn(directory) {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true });
  return Math.max(
    ...files
      // Directories count too: removing a file changes nothing else.
      .filter(({ name }) => !name.endsWith('.spec.ts'))
      .map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs),
  );
}

function build() {
  const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [nest, 'build'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the program cannot be built:\n${stdout}${stderr}`);
}
