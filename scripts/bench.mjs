/**
 * `npm run bench`: runs the benches of `bench/` one after the other, because two at once would measure each other. Uses
 * the servers of DATABASE_URL and REDIS_URL, or embedded ones; `psql` must be on the PATH.
 *   npm run bench -- [--scale 0.01] [--rounds 5] [--large] [--profile <folder>] [--output bench-results] [ingest] [peers] …
 * `--scale` multiplies the numbers of records: small numbers show that a bench runs, but not how fast. At the end it
 * prints one table of all measures, and writes it to `<output>.json` and `<output>.md` with the machine described.
 * `--large` measures pages and memory with 10,000,000 records, which takes long. `--profile` records where each bench spends
 * its processor time, which slows it down, and draws it as flame graphs into the folder.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, ROOT, TYPESCRIPT } from './preparation.mjs';
import { useSupportedNode } from './supported-node.mjs';

/** The arguments of each bench: the scaled number of records, the rounds if it has any, and its own. */
const BENCHES = {
  ingest: ({ records, rounds }) => [records(1_000_000), rounds],
  'process-records': ({ records, rounds }) => [records(200_000), rounds, records(10_000), 'setAttribute'],
  preview: ({ records }) => [records(100_000)],
  'row-check': ({ records, rounds }) => [records(200_000), rounds],
  peers: ({ records, rounds }) => [records(100_000), rounds],
  workbook: ({ records, rounds }) => [records(200_000), rounds],
  'workbook-reader': ({ records }) => [records(1_000_000)],
  latency: ({ records }) => [records(1_000_000), records(1_000)],
  table: ({ records, rounds }) => [records(200_000), rounds],
  storage: ({ records }) => [records(200_000), 'storage'],
  wal: ({ records }) => [records(200_000), 'wal'],
  overview: () => [2_000],
  pages: ({ records, large }) => [records(large ? 10_000_000 : 2_000_000), records(50_000)],
  memory: ({ records, large }) => [records(large ? 10_000_000 : 1_000_000), records(100_000)],
  workers: ({ records, rounds }) => [records(200_000), rounds],
  // A round takes minutes.
  retention: ({ records }) => [records(5_000_000), 1, records(1_000_000)],
};
/** The program of a bench, if it is not named after it. */
const PROGRAMS = { wal: 'storage' };

/** What comes earlier is mostly the loading of modules, which would hide the rest. */
const LOADED_AFTER_SECONDS = '3';

await useSupportedNode();
const { scale, rounds, large, profile, output, names } = readArguments();
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
const results = join(dataDir, 'results.jsonl');
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
  if (profile !== undefined) drawProfile(name);
}
await report();
await servers.stop();
rmSync(dataDir, { recursive: true, force: true });
if (failed.length > 0) fail(`\nFailed: ${failed.join(', ')}`);

function readArguments() {
  const options = {
    scale: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    large: { type: 'boolean', default: false },
    profile: { type: 'string' },
    output: { type: 'string', default: join('.cache', 'bench-results') },
  };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const unknown = positionals.filter((name) => !(name in BENCHES));
  if (unknown.length > 0) {
    fail(`Unknown bench: ${unknown.join(', ')}. The benches are ${Object.keys(BENCHES).join(', ')}.`);
  }
  const [scale, rounds] = [Number(values.scale), Number(values.rounds)];
  if (!(scale > 0)) fail('--scale must be a number above 0.');
  if (!(Number.isInteger(rounds) && rounds > 0)) fail('--rounds must be a whole number above 0.');
  return {
    scale,
    rounds,
    large: values.large,
    profile: values.profile === undefined ? undefined : resolve(values.profile),
    output: values.output,
    names: positionals.length > 0 ? positionals : Object.keys(BENCHES),
  };
}

function bench(name) {
  const records = (count) => Math.max(10, Math.round(count * scale));
  const args = BENCHES[name]({ records, rounds, large });
  const urls = { DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl };
  const env = { ...process.env, ...urls, BENCH_RESULTS: results };
  if (profile !== undefined) {
    env.NODE_OPTIONS = `--cpu-prof --cpu-prof-dir=${profilesOf(name).bench}`;
    env.BENCH_SERVICE_OPTIONS = `--cpu-prof --cpu-prof-dir=${profilesOf(name).service}`;
  }
  const program = [...TYPESCRIPT, join(ROOT, 'bench', `${PROGRAMS[name] ?? name}.ts`), ...args.map(String)];
  return spawn(process.execPath, program, { cwd: ROOT, stdio: 'inherit', env });
}

function profilesOf(name) {
  const folder = join(dataDir, 'profiles', name);
  return { service: join(folder, 'service'), bench: join(folder, 'bench') };
}

/** Draws the longest run of the service, which some benches start as a process of its own. */
function drawProfile(name) {
  const { service, bench } = profilesOf(name);
  const folder = existsSync(service) ? service : bench;
  const files = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
  const [longest] = files.sort((a, b) => statSync(b).size - statSync(a).size);
  if (longest === undefined) return;
  mkdirSync(profile, { recursive: true });
  const drawing = [
    join(ROOT, 'bench', 'flame-graph.ts'),
    longest,
    join(profile, `${name}.svg`),
    name,
    LOADED_AFTER_SECONDS,
  ];
  spawnSync(process.execPath, [...TYPESCRIPT, ...drawing], { cwd: ROOT, stdio: 'inherit' });
}

/** Sums up what the benches measured. */
async function report() {
  if (!existsSync(results)) return;
  const measures = readFileSync(results, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const machine = await describeMachine();
  const rows = measures.map(rowOf);
  const header = ['measure', 'median', 'min', 'max', 'reference', 'its median', 'ratio', 'goal', 'peak RSS'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const table = [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
  const described = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
  console.log(`\n${described.join('\n')}\n\n${table}`);
  writeFileSync(`${output}.md`, `${described.join('\n')}\n\n${table}\n`);
  writeFileSync(`${output}.json`, `${JSON.stringify({ machine, scale, rounds, measures }, null, 2)}\n`);
}

function rowOf({ name, unit, values, reference, referenceValues, peakRss, goal }) {
  const shown = (value) =>
    `${value >= 100 ? Math.round(value).toLocaleString('en') : +value.toFixed(2)} ${unit}`;
  const middle = median(values);
  const compared = referenceValues !== undefined && referenceValues.length > 0;
  const ratio = compared ? (middle / median(referenceValues)).toFixed(2) : '';
  const aim = goal === undefined ? '' : compared ? `≥ ${goal}` : `≤ ${goal} ${unit}`;
  const rss = Object.entries(peakRss ?? {}).map(([process, mb]) => `${process} ${mb} MB`);
  return [
    ...[name, shown(middle), shown(Math.min(...values)), shown(Math.max(...values)), reference ?? ''],
    ...[compared ? shown(median(referenceValues)) : '', ratio, aim, rss.join(', ')],
  ];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

async function describeMachine() {
  const { Client } = await import('pg').then((pg) => pg.default);
  const client = new Client({ connectionString: servers.databaseUrl });
  await client.connect();
  const { rows } = await client.query('SHOW server_version');
  await client.end();
  const { Redis } = await import('ioredis');
  const redis = new Redis(servers.redisUrl);
  const [, version] = /redis_version:(\S+)/.exec(await redis.info('server')) ?? [];
  await redis.quit();
  return {
    date: new Date().toISOString().slice(0, 10),
    processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    'Node.js': process.version,
    PostgreSQL: rows[0].server_version,
    Redis: version ?? 'unknown',
  };
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
