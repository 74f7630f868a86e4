import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, distinguished from a later one with the same id. */
export interface RunningProcess {
  pid: number;
  /** Its start time, in the format of the operating system. */
  start: string;
}

const POLL_MS = 20;

/** The living process with that id. A process that ended and was not yet waited for does not count as living. */
export function runningProcess(pid: number): RunningProcess | undefined {
  const start = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid);
  return start === undefined ? undefined : { pid, start };
}

export function isAlive(known: RunningProcess): boolean {
  return runningProcess(known.pid)?.start === known.start;
}

/** The program and its arguments; empty when there is no such process. */
export function commandLineOf(pid: number): string {
  if (runningProcess(pid) === undefined) return '';
  // Slim container images do not contain ps.
  if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  return spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
}

/** Records a process, so that a run after a `kill -9` can find it. */
export function recordProcess(file: string, pid: number): void {
  const running = runningProcess(pid);
  if (running) writeFileSync(file, JSON.stringify(running), { mode: 0o600 });
}

/** The recorded process, if it is still running. */
export function recordedProcess(file: string): RunningProcess | undefined {
  try {
    const known = JSON.parse(readFileSync(file, 'utf8')) as RunningProcess;
    return isAlive(known) ? known : undefined;
  } catch {
    // Missing, or cut off in the middle of the write: it identifies no process.
    return undefined;
  }
}

export function forgetProcess(file: string): void {
  rmSync(file, { force: true });
}

/** Ends a process: politely (PostgreSQL's fast shutdown, Redis's shutdown), then by force. Resolves when it is gone. */
export async function endProcess(known: RunningProcess): Promise<void> {
  const steps: [NodeJS.Signals, number][] = [
    ['SIGINT', 10_000],
    ['SIGQUIT', 3000],
    ['SIGKILL', 3000],
  ];
  for (const [signal, patienceMs] of steps) {
    if (!isAlive(known)) return;
    signalProcess(known.pid, signal);
    const end = performance.now() + patienceMs;
    while (isAlive(known) && performance.now() < end) await sleep(POLL_MS);
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it ended between the check and the signal, which is the intended result.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Ticks since boot, and the id of the boot: unique even where a container or virtual machine starts over. */
function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in parentheses, may contain any characters, including spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

function startFromPs(pid: number): string | undefined {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const [, state, start] = /^\s*(\S+)\s+(.+?)\s*$/.exec(stdout ?? '') ?? [];
  return state === undefined || state.startsWith('Z') ? undefined : start;
}
