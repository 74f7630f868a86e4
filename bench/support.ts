import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';

export const BENCH_KEY = 'bench-key-with-every-permission';
export const SERVER = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
export const REDIS = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';

/** One record of about 240 bytes: two identifiers, six attributes. */
export function benchRecord(n: number): string {
  const pad = (value: number, digits: number) => String(value).padStart(digits, '0');
  return JSON.stringify({
    ':UniqueId': `M-${pad(n, 8)}`,
    ':Email': `person${n}@example.org`,
    'First Name': `Firstname${n % 977}`,
    'Last Name': `Lastname${n % 7919}`,
    'Date Of Birth': `19${10 + (n % 89)}-0${1 + (n % 9)}-1${n % 10}`,
    Level: n % 2 === 0 ? 'Associate' : 'Fellow',
    Hours: n % 1000,
    Notes: 'some words that make the line about two hundred and',
  });
}

export const BENCH_WORKFLOW = {
  name: 'bench-role',
  title: 'Bench role',
  entityType: 'MemberRole',
  identifiers: [
    { name: ':UniqueId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'First Name', type: 'ShortText', maxLength: 100 },
    { name: 'Last Name', type: 'ShortText', maxLength: 100 },
    { name: 'Date Of Birth', type: 'Date' },
    { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
    { name: 'Hours', type: 'Numeric', minimum: 0 },
    { name: 'Notes', type: 'LongText' },
  ],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actsOnTerminal: true,
      actions: [
        {
          id: 1,
          name: 'Grant',
          inputs: ['First Name', 'Last Name', 'Date Of Birth', 'Level', 'Hours', 'Notes'],
          required: ['First Name'],
          primary: { kind: 'completeSuccessfully' },
        },
      ],
    },
    { name: 'Application', kind: 'dataEntry', actions: [] },
  ],
};

/** A file of `count` records, one per line. */
export async function writeRecords(
  count: number,
  line: (n: number) => string = benchRecord,
): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), 'wiq-bench-')), 'records.jsonl');
  const file = createWriteStream(path);
  for (let n = 0; n < count; n += 1000) {
    let block = '';
    for (let i = n; i < Math.min(n + 1000, count); i += 1) block += `${line(i)}\n`;
    if (!file.write(block)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
  return path;
}

export function databaseUrl(name: string): string {
  const url = new URL(SERVER);
  url.pathname = `/${name}`;
  return url.toString();
}

export async function freshDatabase(name: string): Promise<void> {
  const client = new Client({ connectionString: SERVER });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
}

/** Runs one psql session and answers its seconds. */
export function psql(database: string, ...commands: string[]): number {
  const started = performance.now();
  execFileSync('psql', [
    '-qX',
    '-v',
    'ON_ERROR_STOP=1',
    databaseUrl(database),
    ...commands.flatMap((command) => ['-c', command]),
  ]);
  return (performance.now() - started) / 1000;
}

export interface Service {
  url: string;
  process: ChildProcess;
  /** Highest resident set size seen since the last call, in MB. */
  peakRss(): number;
  stop(): Promise<void>;
}

/** The built program as a separate process, on the given database. */
export async function startProcess(
  database: string,
  port: number,
  environment: Record<string, string> = {},
): Promise<Service> {
  const child = spawn(process.execPath, ['dist/main.js'], {
    env: {
      ...process.env,
      PORT: String(port),
      DATABASE_URL: databaseUrl(database),
      REDIS_URL: REDIS,
      QUEUE_PREFIX: database,
      BOOTSTRAP_API_KEY: BENCH_KEY,
      LOG_LEVEL: 'warn',
      NODE_OPTIONS: process.env.BENCH_SERVICE_OPTIONS ?? '',
      ...environment,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // A bench that is stopped or fails must not leave it running.
  const kill = () => child.kill('SIGTERM');
  const stopped = () => process.exit(1);
  process.once('exit', kill).once('SIGINT', stopped).once('SIGTERM', stopped);
  let peak = 0;
  const sampling = setInterval(() => {
    try {
      const [, pages] = readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ');
      peak = Math.max(peak, (Number(pages) * 4096) / 1e6);
    } catch {
      // the process has ended
    }
  }, 20);
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt += 1) {
    const ready = await fetch(`${url}/health/live`).catch(() => null);
    if (ready?.ok) break;
    if (attempt > 1_800 || child.exitCode !== null) throw new Error('the service did not start');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    process: child,
    peakRss: () => {
      const seen = peak;
      peak = 0;
      return seen;
    },
    stop: async () => {
      clearInterval(sampling);
      process.off('exit', kill).off('SIGINT', stopped).off('SIGTERM', stopped);
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

export async function api(service: Service, method: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(service.url + path, {
    method,
    headers: { authorization: `apikey ${BENCH_KEY}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Defines the bench workflow and an import process for it; answers the id of the process. */
/** An additional effect of the action, if a bench asks for it. */
const SETTING = { kind: 'setAttribute', name: 'Granted At', value: '{{now}}' };

function settingWorkflow(): object {
  const { attributes, steps } = BENCH_WORKFLOW;
  return {
    ...BENCH_WORKFLOW,
    attributes: [...attributes, { name: SETTING.name, type: 'DateTime' }],
    steps: steps.map(({ actions, ...step }) => ({
      ...step,
      actions: actions.map((action) => ({ ...action, behaviors: [SETTING] })),
    })),
  };
}

export async function setUpProcess(service: Service, setsAttribute = false): Promise<number> {
  await api(service, 'POST', '/API/Workflows', setsAttribute ? settingWorkflow() : BENCH_WORKFLOW);
  const made = await api(service, 'POST', '/API/WorkflowImportQueue/ImportProcesses', {
    name: 'Bench import',
    description: '',
    note: '',
    icon: '',
    displayOrder: 1,
    status: 'active',
    target: {
      kind: 'workflow',
      workflow: BENCH_WORKFLOW.name,
      step: 'Import',
      action: 'Grant',
      onNoMatch: 'create',
      onMatch: 'update',
    },
  });
  return made.id;
}

export interface Posted {
  seconds: number;
  batchId: number;
}

/** Streams a file to CreateBatch; seconds from the first byte to the 202. */
export function post(service: Service, importProcessId: number, path: string): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const call = request(
      `${service.url}/API/WorkflowImportQueue/CreateBatch?fileName=bench.jsonl&importProcessId=${importProcessId}`,
      {
        method: 'POST',
        agent: false,
        headers: {
          authorization: `apikey ${BENCH_KEY}`,
          'content-type': 'application/jsonl',
          'content-length': statSync(path).size,
        },
      },
      (response) => {
        const seconds = (performance.now() - started) / 1000;
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('end', () => {
          if (response.statusCode !== 202) return reject(new Error(`${response.statusCode}: ${text}`));
          resolve({ seconds, batchId: JSON.parse(text).WORKFLOW_IMPORT_QUEUE_BATCH_ID });
        });
      },
    );
    call.on('error', reject);
    createReadStream(path, { highWaterMark: 256 * 1024 }).pipe(call);
  });
}

/** For an even number of values, the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return low === undefined || high === undefined ? NaN : (low + high) / 2;
}
