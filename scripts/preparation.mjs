import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The arguments with which Node runs TypeScript, for the programs that are not part of `dist`. */
export const TYPESCRIPT = ['--import', '@swc-node/register/esm-register'];

const at = (...path) => join(ROOT, ...path);

/** Runs a program with our terminal and waits for its end. Ends with its exit code when it fails. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (error) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * Installs what package-lock.json names, unless exactly that is installed.
 * @param needsOptional whether the optional packages of package.json must be there, too. npm leaves out those that the Node
 * of an earlier `npm ci` was too old for.
 */
export function ensureInstalled({ needsOptional = false } = {}) {
  if (isInstalled(needsOptional)) return;
  console.log('Installing the packages of package-lock.json (npm ci) …');
  // With NODE_ENV=production npm would leave out the packages that building and testing need.
  run('npm', ['ci', '--include=dev']);
}

/**
 * Compares contents, not times: npm writes both files together, so that a fresh installation can look older than its lock
 * file.
 */
function isInstalled(needsOptional) {
  const installedFile = at('node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  const needed = new Set(
    needsOptional
      ? Object.keys(wanted[''].optionalDependencies ?? {}).map((name) => `node_modules/${name}`)
      : [],
  );
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional }]) =>
      // Packages for other systems are in the lock file only.
      path === '' ||
      installed[path]?.version === version ||
      (!(path in installed) && (optional || devOptional) && !needed.has(path)),
  );
}

/** Builds `dist`, unless it is newer than all of its sources. */
export function ensureBuilt() {
  const built = at('dist', 'main.js');
  const sources = ['nest-cli.json', 'package-lock.json', 'tsconfig.build.json', 'tsconfig.json'].map((file) =>
    at(file),
  );
  const newest = Math.max(...sources.map(changed), ...filesBelow(at('src')).map(changed));
  if (existsSync(built) && changed(built) > newest) return;
  console.log('Building (npm run build) …');
  run('npm', ['run', '--silent', 'build']);
}

const changed = (file) => statSync(file).mtimeMs;

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}
