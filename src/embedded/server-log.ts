import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';

const MAX_BYTES = 10 * 1024 ** 2;

/** Opens a log for appending; a big one is put aside first, so that at most two are kept. */
export function openLog(file: string): number {
  if (existsSync(file) && statSync(file).size > MAX_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, 'a');
}

export function logLength(log: number): number {
  return fstatSync(log).size;
}

export function closeLog(log: number): void {
  closeSync(log);
}

/** What was said since the log had that length. */
export function logSince(file: string, length: number): string {
  return readFileSync(file).subarray(length).toString('utf8');
}

/** The lines that say why a server did not start: the telling ones, else the last few. */
export function reasonsIn(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => /FATAL|PANIC|DETAIL|HINT|error|Bad|Fatal/.test(line));
  return (telling.length > 0 ? telling : lines).slice(-4).join('\n');
}
