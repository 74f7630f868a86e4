import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { VARIABLE_NAMES } from '../../src/platform/config/environment-variables.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Neither the test run, with the URLs of its servers, nor a developer's .env file reaches the program. */
const NOTHING_SET = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, '']));

/** A TypeScript program of ours in a process of its own, which a test may kill. */
export class ChildProgram {
  private said = '';
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
    this.exited = once(this.process, 'exit');
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    }
  }

  /** Everything it has printed. */
  get output(): string {
    return this.said;
  }

  /** Answers the first group of the pattern once the program has printed it; throws when it ends before. */
  async says(pattern: RegExp): Promise<string> {
    const ended = this.exited.then(() => {
      throw new Error(`the program ended (${this.process.exitCode}) without ${pattern}:\n${this.said}`);
    });
    ended.catch(() => undefined);
    for (;;) {
      const match = pattern.exec(this.said);
      if (match) return match[1] ?? match[0];
      await Promise.race([once(this.process.stdout!, 'data'), once(this.process.stderr!, 'data'), ended]);
    }
  }

  /** Sends the signal, if one is given, and answers the exit code; `null` when a signal ended it. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal) this.process.kill(signal);
    await this.exited;
    return this.process.exitCode;
  }
}
