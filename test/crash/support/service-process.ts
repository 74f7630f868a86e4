import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '../../../src/platform/config/config.js';
import { eventually } from '../../support/eventually.js';

const PROGRAM = join(__dirname, '../../../dist/main.js');
/** Saves each start about a sixth of its time. */
const COMPILE_CACHE = join(__dirname, '../../../.cache/node');

/** How a process ended: `code` if it exited, `signal` if it was killed. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The built program, running in a process of its own that may be killed, frozen and thawed. */
export class ServiceProcess {
  private said = '';
  private readonly process: ChildProcess;
  private readonly exited: Promise<unknown>;

  constructor(
    readonly role: Role,
    environment: Record<string, string>,
    program = PROGRAM,
  ) {
    this.process = spawn(process.execPath, ['--enable-source-maps', program], {
      // It gets neither the .env nor the variables of the person who runs the tests.
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILE_CACHE, ROLE: role, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.process, 'exit');
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    }
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Everything it has printed on both streams. */
  get output(): string {
    return this.said;
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Where it listens; `undefined` until it does. */
  get listensAt(): string | undefined {
    return /listens on (http:\S+?)"/.exec(this.said)?.[1];
  }

  /** Where it listens, once it does. */
  async url(boundMs = 60_000): Promise<string> {
    const found = await eventually(
      () => (this.alive ? this.listensAt : 'dead'),
      `${this.role} ${this.pid} to listen`,
      boundMs,
    );
    if (found === 'dead') throw new Error(`the ${this.role} ended before it listened:\n${this.said}`);
    return found;
  }

  /** Answers the URL once it may be sent calls. */
  async ready(boundMs = 60_000): Promise<string> {
    const url = await this.url(boundMs);
    await eventually(
      async () => (await this.readiness()).status === 200,
      `${this.role} to be ready`,
      boundMs,
    );
    return url;
  }

  /** What its probe answers; status 0 when nothing does. */
  async readiness(): Promise<{ status: number; body: string }> {
    try {
      const response = await fetch(`${await this.url()}/health/ready`);
      return { status: response.status, body: await response.text() };
    } catch (error) {
      return { status: 0, body: String(error) };
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.alive) this.signal('SIGKILL');
    await this.exited;
  }

  /** Waits for its end; fails when that does not come. */
  async ended(boundMs = 60_000): Promise<Ending> {
    await eventually(() => !this.alive, `${this.role} ${this.pid} to end`, boundMs);
    return { code: this.process.exitCode, signal: this.process.signalCode };
  }

  /** Waits until the kernel has frozen it. */
  async stopped(boundMs = 30_000): Promise<void> {
    const { readFileSync } = await import('node:fs');
    await eventually(
      () => this.alive && /^State:\s+T/m.test(readFileSync(`/proc/${this.pid}/status`, 'utf8')),
      `${this.role} ${this.pid} to freeze`,
      boundMs,
    );
  }
}
