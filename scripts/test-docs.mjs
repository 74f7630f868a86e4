// `npm run test:docs`: executes the commands in docs/operations.md and docs/scaling.md against a database and processes of
// its own. DATABASE_URL and REDIS_URL name servers on which it may create databases and roles. What cannot run is named
// in the page, with the reason: <!-- not run: `command`: reason -->. The script fails for a command that is neither run
// nor named, for a mark without a command or reason, and for a command that fails.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PAGES = ['docs/operations.md', 'docs/scaling.md'];
/** A program without arguments is only named. */
const COMMAND = /^(npm (run \S|start|ci|test)|(npx|node|kill|pg_dump|docker|kubectl) \S)/;
const { DATABASE_URL, REDIS_URL } = process.env;
if (!DATABASE_URL || !REDIS_URL) {
  console.error('Set DATABASE_URL and REDIS_URL to servers on which databases and roles may be created.');
  process.exit(2);
}
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
const name = `wiq_docs_${process.pid}`;
const withDatabase = (database) =>
  Object.assign(new URL(DATABASE_URL), { pathname: `/${database}` }).toString();
const folder = mkdtempSync(join(tmpdir(), 'wiq-docs-'));
const env = {
  ...process.env,
  DATABASE_URL: withDatabase(name),
  RESTORED_URL: withDatabase(`${name}_restored`),
  RESTORED_DATABASE: `${name}_restored`,
  DUMP: join(folder, 'wiq.dump'),
  QUEUE_PREFIX: name,
  PORT: '0',
  BOOTSTRAP_API_KEY: 'a-key-for-the-docs-only',
};
const failures = [];
let ran = 0;

function fail(page, command, reason) {
  failures.push(
    `${page}: ${command.split('\n', 1)[0]}\n    ${reason.trim().split('\n').slice(-5).join('\n    ')}`,
  );
}

function psql(statement, url = DATABASE_URL) {
  return spawnSync('psql', ['--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1', url], {
    input: statement,
    encoding: 'utf8',
  });
}

/** @returns what went wrong, or null */
function shell(command) {
  const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', command], {
    env,
    encoding: 'utf8',
    timeout: 300_000,
  });
  return status === 0 ? null : `${stdout}\n${stderr}\nexit code ${status}`;
}

/** A service has to be ready, and to stop in order. @returns what went wrong, or null */
async function service(command) {
  const child = spawn('bash', ['-c', `exec ${command}`], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const ready = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => /listens on/.test((output += text)) && resolve(true));
  });
  // It also migrates; a busy machine may take minutes.
  const limit = delay(300_000, false, { ref: false });
  const started = await Promise.race([ready, limit, ended.then(() => false)]);
  if (child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
  await ended;
  return started ? null : `${output}\nnot ready`;
}

/** The commands of a page in order, each with its language. */
function commandsOf(text) {
  const found = [];
  const blocks = /^```(sh|sql)\n([\s\S]*?)^```|^((?: {4}\S[^\n]*\n)+)/gm;
  // A block of another language, such as a configuration file, has no commands; a test of its own uses it.
  const others = /^```(?!(?:sh|sql)$)\w+\n[\s\S]*?^```$/gm;
  const rest = text.replace(others, '').replace(blocks, (_, language, fenced, indented) => {
    found.push({ language: language ?? 'sh', command: (fenced ?? indented.replace(/^ {4}/gm, '')).trim() });
    return '';
  });
  for (const [, command] of rest.replace(/<!--[\s\S]*?-->/g, '').matchAll(/`([^`\n]+)`/g)) {
    if (COMMAND.test(command)) found.push({ language: 'sh', command });
  }
  return found;
}

async function testPage(page) {
  const text = readFileSync(page, 'utf8');
  const excuses = new Map();
  for (const [, command, reason] of text.matchAll(/<!-- not run: `([^`]*)`:? *([^>]*?) *-->/g)) {
    if (reason.length < 10) fail(page, command, 'the mark gives no reason');
    excuses.set(command, false);
  }
  const done = new Set();
  for (const { language, command } of commandsOf(text)) {
    const script = /^npm run ([\w:-]+)/.exec(command)?.[1];
    if (script !== undefined && scripts[script] === undefined)
      fail(page, command, `there is no script ${script}`);
    if (done.has(command)) continue;
    done.add(command);
    if (excuses.has(command)) {
      excuses.set(command, true);
      continue;
    }
    ran += 1;
    console.log(`${page}: ${command.split('\n').join('; ').slice(0, 110)}`);
    const { status, stderr } = language === 'sql' ? psql(command, env.DATABASE_URL) : {};
    const isService = /npm start$/.test(command);
    const wrong =
      language === 'sql'
        ? status === 0
          ? null
          : stderr
        : isService
          ? await service(command)
          : shell(command);
    if (wrong !== null) fail(page, command, wrong);
  }
  for (const [command, used] of excuses) {
    if (!used) fail(page, command, 'the mark excuses a command that the page does not have');
  }
}

if (!existsSync('dist/main.js')) spawnSync('npm', ['run', 'build'], { stdio: 'inherit' });
const databases = [name, `${name}_restored`];
const roles = ['wiq_migrate', 'wiq_run', 'wiq_audit'];
try {
  const made = psql(`CREATE DATABASE ${name}`);
  if (made.status !== 0) throw new Error(made.stderr);
  for (const page of PAGES) await testPage(page);
} finally {
  for (const database of databases) psql(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  for (const role of roles) psql(`DROP ROLE IF EXISTS ${role}`);
  rmSync(folder, { recursive: true, force: true });
}
if (failures.length > 0) console.error(`\n${failures.join('\n')}`);
console.log(`${ran} commands ran, ${failures.length} problems.`);
process.exitCode = failures.length === 0 ? 0 : 1;
