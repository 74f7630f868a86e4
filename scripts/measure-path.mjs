/**
 * `npm run measure:path`: counts the files of `src` that run between a POST and its mail, by the coverage of V8 in the
 * built program. Uses the servers of DATABASE_URL and REDIS_URL, or embedded ones. The first POST of a process also runs
 * what the process keeps afterwards, such as compiled schemas; later POSTs run less. The reconciler rests meanwhile. Fails
 * when more than MOST_FILES run.
 *   npm run measure:path -- [--posts 2] [--functions]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SMTPServer } from 'smtp-server';
import { ensureBuilt, ensureInstalled, ROOT } from './preparation.mjs';
import { useSupportedNode } from './supported-node.mjs';

const KEY = 'measure-path-key-0123456789abcdefghij';
/** A record that is created and one without a required value, so that a mail is owed. */
const body = (number) =>
  [
    { ':UniqueId': `M-${number}`, 'First Name': 'Ada', 'Last Name': 'Lovelace', Hours: 1.5, Level: 'Fellow' },
    { ':UniqueId': `N-${number}`, 'First Name': 'Charles', Level: 'Fellow' },
  ]
    .map((record) => JSON.stringify(record))
    .join('\n');
/** A reader who follows a record reads no more files than this. */
const MOST_FILES = 60;
const LIMIT_MS = 60_000;

/** A client of the debugger of another Node process. */
class Inspector {
  static async connect(url) {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    const inspector = new Inspector(socket);
    await inspector.call('Profiler.enable');
    return inspector;
  }

  constructor(socket) {
    this.socket = socket;
    this.calls = new Map();
    this.last = 0;
    socket.addEventListener('message', ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      const call = this.calls.get(id);
      this.calls.delete(id);
      if (error) call?.reject(new Error(error.message));
      else call?.resolve(result);
    });
  }

  call(method, params = {}) {
    this.last += 1;
    const id = this.last;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close() {
    this.socket.close();
  }
}

await useSupportedNode();
const options = { posts: { type: 'string', default: '2' }, functions: { type: 'boolean', default: false } };
const { posts, functions: showFunctions } = parseArgs({ options }).values;
ensureInstalled();
ensureBuilt();
await import('@swc-node/register/esm-register');
const { startEmbeddedServers } = await import('../dev/embedded/embedded-servers.js');
const { ApiClient } = await import('../dev/quickstart/api-client.js');
const { ensureImportProcess, ensureWorkflow, MEMBER_ROLES } = await import('../dev/quickstart/demo.js');

const directory = mkdtempSync(join(tmpdir(), 'wiq-path-'));
const servers = await startEmbeddedServers({
  databaseUrl: process.env.DATABASE_URL || undefined,
  redisUrl: process.env.REDIS_URL || undefined,
  dataDir: directory,
});
let mails = 0;
const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData: (stream, _session, callback) => {
    stream.resume().once('end', () => {
      mails += 1;
      callback();
    });
  },
});
await new Promise((resolve) => smtp.listen(0, '127.0.0.1', resolve));

const program = startProgram();
try {
  const url = await program.prints(/listens on (http:\S+?)"/);
  const debuggerUrl = await program.prints(/Debugger listening on (ws:\S+)/);
  const inspector = await Inspector.connect(debuggerUrl);
  const client = new ApiClient(url, KEY);
  await ensureWorkflow(client, MEMBER_ROLES);
  const importProcessId = await ensureImportProcess(client, MEMBER_ROLES, MEMBER_ROLES.imports[0]);
  for (let post = 1; post <= Number(posts); post += 1) {
    console.log(`\nPOST ${post}`);
    const files = await filesOfOnePost(inspector, client, importProcessId, post);
    print(files);
    if (files.length > MOST_FILES) process.exitCode = 1;
  }
  inspector.close();
} finally {
  await program.stop();
  await new Promise((resolve) => smtp.close(resolve));
  await servers.stop();
  rmSync(directory, { recursive: true, force: true });
}

function startProgram() {
  const environment = {
    ...process.env,
    DATABASE_URL: servers.databaseUrl,
    REDIS_URL: servers.redisUrl,
    SMTP_URL: `smtp://127.0.0.1:${smtp.server.address().port}`,
    BOOTSTRAP_API_KEY: KEY,
    // The pass of a loop is not part of the path.
    RECONCILE_INTERVAL_MS: '600000',
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'log',
  };
  const child = spawn(process.execPath, ['--inspect=127.0.0.1:0', join(ROOT, 'dist', 'main.js')], {
    cwd: directory,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (printed += text));
  }
  return {
    prints: (pattern) =>
      eventually(
        () => pattern.exec(printed)?.[1],
        () => printed,
      ),
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** Sends a body, waits for its mail, and returns the files whose functions ran meanwhile. */
async function filesOfOnePost(inspector, client, importProcessId, post) {
  const before = mails;
  const query = new URLSearchParams({
    importProcessId: String(importProcessId),
    fileName: 'measured.jsonl',
    sendFailureEmailTo: 'ada@example.org',
  });
  await inspector.call('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  await client.post(`/API/WorkflowImportQueue/CreateBatch?${query}`, Buffer.from(body(post)));
  await eventually(
    () => mails > before || undefined,
    () => 'no mail arrived',
  );
  const { result } = await inspector.call('Profiler.takePreciseCoverage');
  await inspector.call('Profiler.stopPreciseCoverage');
  const dist = join(ROOT, 'dist');
  return result
    .filter(({ url }) => url.startsWith('file:'))
    .map(({ url, functions }) => ({
      file: relative(dist, fileURLToPath(url)),
      ran: functions.filter(hasRun),
    }))
    .filter(({ file, ran }) => ran.length > 0 && !file.startsWith('..'))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

function hasRun({ ranges }) {
  return ranges[0].count > 0;
}

function print(files) {
  for (const [folder, members] of Map.groupBy(files, ({ file }) => file.split('/')[0])) {
    console.log(`  ${folder} (${members.length})`);
    for (const { file, ran } of members) {
      const names = ran.map(({ functionName }) => functionName || '(anonymous)').join(', ');
      console.log(`    ${file.replace(/\.js$/, '.ts')}${showFunctions ? `: ${names}` : ''}`);
    }
  }
  console.log(`  files: ${files.length}, at most ${MOST_FILES}`);
}

async function eventually(probe, explain) {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const found = probe();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`Waited ${LIMIT_MS / 1000} s in vain: ${explain()}`);
    await sleep(50);
  }
}
