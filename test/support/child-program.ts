import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { VARIABLE_NAMES } from '../../src/platform/config/environment-variables.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Hides the URLs of the test run's servers and a developer's .env file from the program. */
const NOTHING_SET = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, '']));

/** Shorter than the time limit of a test, so that a missing text fails with the program's output. */
const PRINTS_WITHIN_MS = 100_000;
/** How long a program may take to stop in order, and to stop the servers that it started. */
const STOPS_WITHIN_MS = 10_000;

const running = new Set<ChildProgram>();

// A failed test leaves its program running, which would keep Jest from ending.
afterEach(async () => {
  await Promise.all([...running].map((program) => program.stop()));
});

/** One of our TypeScript programs in its own process. It ends with the test that started it. */
export class ChildProgram {
  private printed = '';
  private readonly process: ChildProcess;
  private readonly exited: Promise<unknown>;

  constructor(program: string, args: string[] = [], environment: Record<string, string> = {}) {
    this.process = spawn(
      process.execPath,
      ['--import', '@swc-node/register/esm-register', program, ...args],
      {
        cwd: ROOT,
        env: { ...NOTHING_SET, PATH: process.env.PATH, ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    running.add(this);
    this.exited = once(this.process, 'exit').finally(() => running.delete(this));
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.printed += text));
    }
  }

  /** Everything the program has printed. */
  get output(): string {
    return this.printed;
  }

  /**
   * Returns the first group of the pattern once the program has printed it. Throws when the program ends first or takes
   * too long.
   */
  async prints(pattern: RegExp): Promise<string> {
    const failure = (reason: string) => new Error(`${reason} without printing ${pattern}:\n${this.printed}`);
    const ended = this.exited.then(() => {
      throw failure(`the program ended (${this.process.exitCode})`);
    });
    ended.catch(() => undefined);
    const limit = AbortSignal.timeout(PRINTS_WITHIN_MS);
    let match = pattern.exec(this.printed);
    while (match === null) {
      const data = [this.process.stdout!, this.process.stderr!].map((stream) =>
        once(stream, 'data', { signal: limit }),
      );
      for (const each of data) each.catch(() => undefined);
      await Promise.race([...data, ended]).catch((error: unknown) => {
        throw limit.aborted ? failure(`the program ran ${PRINTS_WITHIN_MS} ms`) : error;
      });
      match = pattern.exec(this.printed);
    }
    return match[1] ?? match[0];
  }

  /** Sends the signal, if one is given, and returns the exit code, or `null` when a signal ended the program. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal) this.process.kill(signal);
    await this.exited;
    return this.process.exitCode;
  }

  /** Ends the program in order, or by force when it does not stop. */
  async stop(): Promise<void> {
    const kill = setTimeout(() => this.process.kill('SIGKILL'), STOPS_WITHIN_MS);
    await this.end('SIGTERM');
    clearTimeout(kill);
  }
}
