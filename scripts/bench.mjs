/**
 * `npm run bench`: runs the benches of `bench/` one after the other, because two at once would measure each other. Uses
 * the servers of DATABASE_URL and REDIS_URL, or embedded ones; `psql` must be on the PATH.
 *   npm run bench -- [--scale 0.01] [--rounds 1] [--output bench-results] [ingest] [process-records] [peers] …
 * `--scale` multiplies the numbers of records: small numbers show that a bench runs, but not how fast. At the end it
 * prints one table of all measures, and writes it to `<output>.json` and `<output>.md` with the machine described.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
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
  peers: ({ records, rounds }) => [records(100_000), rounds],
  workbook: ({ records, rounds }) => [records(200_000), rounds],
  latency: ({ records }) => [records(1_000_000), records(1_000)],
  table: ({ records, rounds }) => [records(200_000), rounds],
  storage: ({ records }) => [records(200_000), 'storage'],
  wal: ({ records }) => [records(200_000), 'wal'],
  overview: () => [2_000],
  workers: ({ records, rounds }) => [records(200_000), rounds],
  retention: ({ records, rounds }) => [records(5_000_000), rounds, records(200_000)],
};
/** The program of a bench, if it is not named after it. */
const PROGRAMS = { wal: 'storage' };

await useSupportedNode();
const { scale, rounds, output, names } = readArguments();
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
}
await report();
await servers.stop();
rmSync(dataDir, { recursive: true, force: true });
if (failed.length > 0) fail(`\nFailed: ${failed.join(', ')}`);

function readArguments() {
  const options = {
    scale: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
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
    output: values.output,
    names: positionals.length > 0 ? positionals : Object.keys(BENCHES),
  };
}

function bench(name) {
  const records = (count) => Math.max(10, Math.round(count * scale));
  const args = BENCHES[name]({ records, rounds });
  const urls = { DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl };
  const env = { ...process.env, ...urls, BENCH_RESULTS: results };
  const program = [...TYPESCRIPT, join(ROOT, 'bench', `${PROGRAMS[name] ?? name}.ts`), ...args.map(String)];
  return spawn(process.execPath, program, { cwd: ROOT, stdio: 'inherit', env });
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
