/**
 * `npm run bench`: runs the benches of `bench/` one after the other, because two at once would measure each other. Uses
 * the servers of DATABASE_URL and REDIS_URL, or embedded ones; `psql` must be on the PATH.
 *   npm run bench -- [--scale 0.01] [--rounds 1] [ingest] [process-records] [preview] [row-check] [table] [storage] [wal]
 * `--scale` multiplies the numbers of records: small numbers show that a bench runs, but not how fast.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, ROOT, TYPESCRIPT } from './preparation.mjs';
import { useSupportedNode } from './supported-node.mjs';

/** The arguments of each bench: the scaled number of records, the rounds if it has any, and its own. */
const BENCHES = {
  ingest: ({ records, rounds }) => [records(1_000_000), rounds],
  'process-records': ({ records, rounds }) => [records(200_000), rounds, records(10_000), 'setAttribute'],
  preview: ({ records }) => [records(100_000)],
  'row-check': ({ records, rounds }) => [records(200_000), rounds],
  table: ({ records, rounds }) => [records(200_000), rounds],
  storage: ({ records }) => [records(200_000), 'storage'],
  wal: ({ records }) => [records(200_000), 'wal'],
};
/** The program of a bench, if it is not named after it. */
const PROGRAMS = { wal: 'storage' };

await useSupportedNode();
const { scale, rounds, names } = readArguments();
if (spawnSync('psql', ['--version']).error) {
  fail('psql is not on the PATH. Install the client programs of PostgreSQL.');
}
ensureInstalled();
ensureBuilt();

await import('@swc-node/register/esm-register');
const { startEmbeddedServers } = await import('../dev/embedded/embedded-servers.js');
const dataDir = mkdtempSync(join(tmpdir(), 'wiq-bench-'));
const servers = await startEmbeddedServers({
  databaseUrl: process.env.DATABASE_URL || undefined,
  redisUrl: process.env.REDIS_URL || undefined,
  dataDir,
});
const failed = [];
let running;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}
for (const name of names) {
  if (interrupted) break;
  console.log(`\n${name}`);
  // Not spawnSync: this process must go on reading the output of the embedded servers.
  running = bench(name);
  const [code] = await once(running, 'exit');
  if (code !== 0) failed.push(name);
}
await servers.stop();
rmSync(dataDir, { recursive: true, force: true });
if (failed.length > 0) fail(`\nFailed: ${failed.join(', ')}`);

function readArguments() {
  const options = { scale: { type: 'string', default: '1' }, rounds: { type: 'string', default: '3' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const unknown = positionals.filter((name) => !(name in BENCHES));
  if (unknown.length > 0) {
    fail(`Unknown bench: ${unknown.join(', ')}. The benches are ${Object.keys(BENCHES).join(', ')}.`);
  }
  const [scale, rounds] = [Number(values.scale), Number(values.rounds)];
  if (!(scale > 0)) fail('--scale must be a number above 0.');
  if (!(Number.isInteger(rounds) && rounds > 0)) fail('--rounds must be a whole number above 0.');
  return { scale, rounds, names: positionals.length > 0 ? positionals : Object.keys(BENCHES) };
}

function bench(name) {
  const records = (count) => Math.max(10, Math.round(count * scale));
  const args = BENCHES[name]({ records, rounds });
  const env = { ...process.env, DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl };
  const program = [...TYPESCRIPT, join(ROOT, 'bench', `${PROGRAMS[name] ?? name}.ts`), ...args.map(String)];
  return spawn(process.execPath, program, { cwd: ROOT, stdio: 'inherit', env });
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
