/**
 * Which Node this project runs on, and how to get one. Plain JavaScript for old versions of Node too: they have to read
 * this file to say that they are too old.
 *   node scripts/supported-node.mjs           fails with a sentence under a Node that is not supported
 *   node scripts/supported-node.mjs path 22   prints the directory of a Node 22, fetched if need be
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RANGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines.node;
/** The version that is fetched. */
const FETCHED = '24';

/** Whether a version such as `24.15.0` is in the range of package.json, which knows `^a.b.c`, `>=a` and `||`. */
export function isSupported(version, range = RANGE) {
  const [major, minor, patch] = version.split('.').map(Number);
  return range.split('||').some((part) => {
    const [, operator, ...least] = /^\s*(\^|>=)(\d+)(?:\.(\d+))?(?:\.(\d+))?\s*$/.exec(part);
    const [leastMajor, leastMinor, leastPatch] = least.map((number) => Number(number ?? 0));
    if (operator === '^' && major !== leastMajor) return false;
    if (major !== leastMajor) return major > leastMajor;
    return minor === leastMinor ? patch >= leastPatch : minor > leastMinor;
  });
}

/** Runs the rest of the calling script under a supported Node, which is fetched through npm if this one is not. */
export async function useSupportedNode() {
  if (isSupported(process.versions.node)) return;
  const directory = fetchNode(FETCHED);
  const child = spawn(join(directory, 'node'), process.argv.slice(1), {
    stdio: 'inherit',
    // npm and everything else that the script starts finds this Node first.
    env: { ...process.env, PATH: `${directory}${delimiter}${process.env.PATH ?? ''}` },
  });
  // The child stops in order; this process stays until it has.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.on('exit', (status) => resolve(status ?? 1));
  });
  process.exit(code);
}

/** Returns the directory of the latest Node of a major version, fetched into `.cache` unless it is there. */
export function fetchNode(major) {
  const system = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const place = join(ROOT, '.cache', `node-${major}`);
  const program = join(place, 'node_modules', `node-${system}`, 'bin', 'node');
  if (versionOf(program)) return dirname(program);
  console.error(
    `This project needs Node ${RANGE}; this is ${process.versions.node}. Fetching Node ${major} into .cache through npm …`,
  );
  mkdirSync(place, { recursive: true });
  const options = [
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--force',
  ];
  const { status } = spawnSync('npm', ['install', '--prefix', place, ...options, `node-${system}@${major}`], {
    cwd: place,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0 || !existsSync(program)) {
    console.error(`npm has no Node ${major} for ${system}. Install Node ${RANGE} and run the command again.`);
    process.exit(1);
  }
  return dirname(program);
}

function versionOf(program) {
  if (!existsSync(program)) return undefined;
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, major = FETCHED] = process.argv.slice(2);
  if (command === 'path') {
    const isCurrent = process.versions.node.startsWith(`${major}.`) && isSupported(process.versions.node);
    console.log(isCurrent ? dirname(process.execPath) : fetchNode(major));
  } else if (!isSupported(process.versions.node)) {
    console.error(`This needs Node ${RANGE}; this is Node ${process.versions.node}.`);
    process.exit(1);
  }
}
