import type { RecordError } from './target.js';

/** Refused records with one cause, for the summary of an upload. */
export interface ErrorTallyGroup {
  code: string;
  pointer: string | null;
  count: number;
  /** The first record of the group. */
  sampleLine: number;
  sampleMessage: string;
}

/** Causes told apart; a file of random keys must not fill the memory. What comes later is counted together. */
const MOST_GROUPS = 1000;
const LONGEST_MESSAGE = 500;

/** Counts refused records by code and place while they stream by. */
export class ErrorTally {
  private readonly groups = new Map<string, ErrorTallyGroup>();

  add(line: number, error: RecordError): void {
    const pointer = error.pointer ?? null;
    const key = this.groups.size < MOST_GROUPS ? `${error.code} ${pointer ?? ''}` : '';
    const group = this.groups.get(`${error.code} ${pointer ?? ''}`) ?? this.groups.get(key);
    if (group !== undefined) group.count += 1;
    else {
      const { code, message } = key === '' ? OTHERS : error;
      const sampleMessage = message.slice(0, LONGEST_MESSAGE);
      this.groups.set(key, {
        code,
        pointer: key === '' ? null : pointer,
        count: 1,
        sampleLine: line,
        sampleMessage,
      });
    }
  }

  /** Most frequent first. */
  all(): ErrorTallyGroup[] {
    return [...this.groups.values()].sort((a, b) => b.count - a.count || a.sampleLine - b.sampleLine);
  }
}

const OTHERS = { code: 'other', message: 'more causes than are told apart' };
