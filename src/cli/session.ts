import { InvalidArgumentError } from 'commander';
import type { ImportQueueClient } from '../client/index.js';
import type { Terminal } from './terminal.js';

/** What every command works with. */
export interface Session {
  url: string;
  client: ImportQueueClient;
  terminal: Terminal;
  signal: AbortSignal;
}

/** Answers the exit code. */
export type Run<Arguments extends unknown[]> = (session: Session, ...given: Arguments) => Promise<number>;

/** Makes an action of commander from a command. */
export type Running = <Arguments extends unknown[]>(
  run: Run<Arguments>,
) => (...given: unknown[]) => Promise<void>;

export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Reads an option that may be repeated. */
export function readingChoice(text: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([A-Za-z]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('Write it as name=value, for example encoding=windows-1252.');
  }
  return { ...before, [name]: value };
}
