import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformFileSync } from '@swc/core';
import { eventually } from './eventually.js';

const ROOT = join(__dirname, '../..');
const FOLDERS = ['cli', 'client'];

afterAll(() => {
  if (compiled !== undefined) rmSync(join(compiled, '../..'), { recursive: true });
});

/** Compiled once: to compile it in each run takes longer than most runs. */
let compiled: string | undefined;

function programFile(): string {
  if (compiled !== undefined) return compiled;
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const target = mkdtempSync(join(ROOT, '.cache', 'command-line-'));
  for (const folder of FOLDERS) {
    mkdirSync(join(target, folder));
    const names = readdirSync(join(ROOT, 'src', folder)).filter((name) => /(?<!\.spec)\.ts$/.test(name));
    for (const name of names) {
      const { code } = transformFileSync(join(ROOT, 'src', folder, name), {
        jsc: {
          parser: { syntax: 'typescript' },
          target: 'es2022',
          transform: { useDefineForClassFields: false },
        },
      });
      writeFileSync(join(target, folder, name.replace(/\.ts$/, '.js')), code);
    }
  }
  compiled = join(target, 'cli', 'main.js');
  return compiled;
}

interface CommandOptions {
  /** Variables of the command; it gets none of this process. */
  environment?: Record<string, string>;
  /** Standard input. */
  input?: string;
  /** Gives the command a terminal. */
  terminal?: boolean;
}

/** One run of the command line in a process and a home of its own. */
export class CommandRun {
  stdout = '';
  stderr = '';
  private readonly process: ChildProcess;
  private readonly closed: Promise<unknown>;

  constructor(home: CommandHome, args: readonly string[], { environment, input, terminal }: CommandOptions) {
    const command = [process.execPath, programFile(), ...args];
    // `script` gives its command a terminal, whose output is all in one stream, and ends with its exit code.
    const [program, ...rest] =
      terminal === true
        ? ['script', '-qefc', `stty cols 120 && ${command.map(quoted).join(' ')}`, '/dev/null']
        : command;
    this.process = spawn(program!, rest, {
      cwd: ROOT,
      env: { PATH: process.env.PATH, HOME: home.folder, TERM: 'xterm', ...environment },
    });
    this.closed = once(this.process, 'close');
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.process.stdin!.on('error', () => undefined).end(input ?? '');
  }

  async exitCode(): Promise<number | null> {
    await this.closed;
    return this.process.exitCode;
  }

  async prints(text: string): Promise<void> {
    await eventually(() => (this.stdout + this.stderr).includes(text), `the command to print "${text}"`);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.process.kill(signal);
    await this.closed;
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A home folder, in which commands find their profile and what earlier runs left. */
export class CommandHome {
  readonly folder = mkdtempSync(join(tmpdir(), 'import-queue-home-'));

  run(args: readonly string[], options: CommandOptions = {}): CommandRun {
    return new CommandRun(this, args, options);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
