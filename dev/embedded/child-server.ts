import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { StartError } from '../../src/platform/errors.js';
import { endProcess, forgetProcess, recordProcess, runningProcess } from './running-process.js';

/** An embedded server cannot run here; the message tells the user who typed the command how to proceed. */
export class EmbeddedServerError extends StartError {
  override readonly name = 'EmbeddedServerError';
}

/** A server that did not start, with all of its output. */
export class ServerStartError extends EmbeddedServerError {
  constructor(
    server: string,
    what: string,
    reasons: string,
    logFile: string,
    readonly said: string,
  ) {
    super(
      `The embedded ${server} did not start: ${what}.` +
        (reasons === '' ? '' : `\n${reasons}\n(more in ${logFile})`),
    );
  }
}

/** An embedded server that answers. */
export interface RunningServer {
  url: string;
  stop(): Promise<void>;
}

/** A server that we run as a child process. */
export interface ServerProgram {
  /** For people: "PostgreSQL", "Redis". */
  name: string;
  command: string;
  args: string[];
  uid?: number;
  gid?: number;
  /** Written to its standard input, for values that must not appear in the list of processes. */
  input?: string;
  /** All of its output is appended here. */
  logFile: string;
  /** The file that records its process while it runs. */
  recordFile: string;
  /** Whether it answers; throws when it never will. */
  isReady(): Promise<boolean>;
}

/** A loopback port that is free at this moment: the preferred one, or any. */
export async function freePort(preferred = 0): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(preferred, '127.0.0.1', resolve);
    });
  } catch (error) {
    if (preferred === 0) throw error;
    return freePort();
  }
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const MAX_BYTES = 10 * 1024 ** 2;

/** Opens a log for appending. A large log is renamed first, so that at most two are kept. */
function openLog(file: string): number {
  if (existsSync(file) && statSync(file).size > MAX_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}

function logLength(log: number): number {
  return fstatSync(log).size;
}

function closeLog(log: number): void {
  closeSync(log);
}

/** The output since the log had that length. */
function logSince(file: string, length: number): string {
  return readFileSync(file).subarray(length).toString('utf8');
}

/** The lines that explain why a server did not start: the relevant ones, else the last few. */
function reasonsIn(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => /FATAL|PANIC|DETAIL|HINT|error|Bad|Fatal/.test(line));
  return (telling.length > 0 ? telling : lines).slice(-4).join('\n');
}

/** Long, because PostgreSQL may first have to replay its log after a crash. */
const START_BOUND_MS = 300_000;
const POLL_MS = 25;
const RESTART_DELAY_MS = 500;

/**
 * A database server that lives and dies with this process: it is restarted when it ends on its own, and ended when this
 * process ends, in any way.
 */
export class ChildServer {
  private readonly logger = new Logger('EmbeddedServers');
  private child: ChildProcess | undefined;
  private watchdog: ChildProcess | undefined;
  private stopping = false;
  private restarting: Promise<void> | undefined;

  constructor(private readonly program: ServerProgram) {}

  /** Resolves when the server answers. @throws ServerStartError with the server's output */
  async start(): Promise<void> {
    const { name, logFile } = this.program;
    const log = openLog(logFile);
    const before = logLength(log);
    const child = this.spawn(log);
    closeLog(log);
    try {
      await this.untilReady(child);
    } catch (error) {
      await this.end();
      const said = logSince(logFile, before);
      throw new ServerStartError(name, (error as Error).message, reasonsIn(said), logFile, said);
    }
    child.once('exit', (code, signal) => {
      if (this.stopping) return;
      this.logger.warn(
        `The embedded ${name} ended by itself (${signal ?? `exit code ${code}`}); starting it again.`,
      );
      this.restarting = this.startAgain();
    });
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.restarting;
    await this.end();
  }

  private spawn(log: number): ChildProcess {
    const { command, args, uid, gid, input, recordFile } = this.program;
    // A session of its own: Ctrl-C in a terminal reaches only this process, which still needs the server while it
    // stops.
    const child = spawn(command, args, { detached: true, stdio: ['pipe', log, log], uid, gid });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    child.unref();
    this.child = child;
    if (child.pid !== undefined) {
      recordProcess(recordFile, child.pid);
      this.watchdog = endWithUs(child.pid);
    }
    return child;
  }

  private async untilReady(child: ChildProcess): Promise<void> {
    const fate: { error?: Error } = {};
    child.once('error', (error) => (fate.error = error));
    const end = performance.now() + START_BOUND_MS;
    while (!(await this.program.isReady())) {
      if (fate.error) throw fate.error;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended at once');
      if (this.stopping) throw new Error('it was stopped');
      if (performance.now() > end) throw new Error('it did not answer in time');
      await sleep(POLL_MS);
    }
  }

  private async startAgain(): Promise<void> {
    while (!this.stopping) {
      await sleep(RESTART_DELAY_MS);
      try {
        return await this.start();
      } catch (error) {
        this.logger.error((error as Error).message);
      }
    }
  }

  private async end(): Promise<void> {
    const running = this.child?.pid === undefined ? undefined : runningProcess(this.child.pid);
    if (running && this.child?.exitCode === null) await endProcess(running);
    this.watchdog?.kill('SIGKILL');
    forgetProcess(this.program.recordFile);
  }
}

/**
 * A shell that waits for the end of a pipe from this process and then ends the server. The pipe ends with this process,
 * even on `kill -9`. Without the shell, every killed test run or start would leave servers behind.
 */
function endWithUs(pid: number): ChildProcess {
  const watchdog = spawn('sh', ['-c', 'read -r _; kill -INT "$1"', 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Neither the shell nor the pipe to it may keep this process alive.
  watchdog.unref();
  (watchdog.stdin as Socket).unref();
  return watchdog;
}
