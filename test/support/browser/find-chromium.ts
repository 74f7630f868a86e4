import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', '/usr/bin/chromium'];

/** The Chromium on the PATH, else an error that says how to get one. */
export function findChromium(): string {
  const program = onThePath();
  if (program === undefined) throw new Error(HOW_TO_GET_ONE);
  return program;
}

/**
 * Installs the distribution's Chromium if there is none: on Debian and its children, as root, that takes one call and no
 * question. Once per run, before the tests: two calls of apt-get at a time get in each other's way.
 */
export function provideChromium(): void {
  if (onThePath() === undefined && process.getuid?.() === 0 && isDebian()) installWithApt();
}

function onThePath(): string | undefined {
  for (const program of PROGRAMS) {
    if (program.startsWith('/') && existsSync(program)) return program;
    const { status, stdout } = spawnSync('sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

function installWithApt(): void {
  const script = 'apt-get update && apt-get install --yes --no-install-recommends chromium';
  process.stderr.write(`No Chromium found; installing Debian's: ${script}\n`);
  spawnSync('env', ['DEBIAN_FRONTEND=noninteractive', 'sh', '-c', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function isDebian(): boolean {
  const release = '/etc/os-release';
  return existsSync(release) && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync(release, 'utf8'));
}

const HOW_TO_GET_ONE = `No Chromium to test with: it is not on the PATH, and could not be installed.
Type one of these, then start again:
  Debian   sudo apt-get install -y chromium
  Ubuntu   sudo snap install chromium
  Fedora   sudo dnf install -y chromium
  Alpine   apk add chromium
  macOS    brew install --cask chromium`;
