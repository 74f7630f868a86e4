import { isIPv6 } from 'node:net';
import { BoundedMap } from '../platform/bounded-map.js';

const WINDOW_MS = 15 * 60_000;
/** More sources than this at a time are an attack; those that were quiet for longest are forgotten. */
const MAX_REMEMBERED = 10_000;

interface Failures {
  count: number;
  until: number;
}

/**
 * Counts failed sign-ins per source in this process. With N API processes the limit is N times higher, which still makes
 * guessing hopeless and needs no server.
 * Why: ADR 13.
 */
export class SignInThrottle {
  private readonly failures = new BoundedMap<string, Failures>(MAX_REMEMBERED);

  constructor(
    private readonly maxFailures: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Seconds until the source may try again; 0 when it may try now. */
  secondsToWait(source: string): number {
    const found = this.current(source);
    if (found === undefined || found.count < this.maxFailures) return 0;
    return Math.max(1, Math.ceil((found.until - this.now()) / 1000));
  }

  /** Call this before the password is checked: during one check, a hundred more could pass. */
  begin(source: string): void {
    const found = this.current(source) ?? { count: 0, until: this.now() + WINDOW_MS };
    found.count += 1;
    this.failures.set(source, found);
  }

  /** Removes the current attempt, which did not fail; earlier failures stay. */
  takeBack(source: string): void {
    const found = this.current(source);
    if (found === undefined) return;
    if (found.count <= 1) this.failures.delete(source);
    else found.count -= 1;
  }

  /** A user who knows the password may have mistyped it before. */
  forget(source: string): void {
    this.failures.delete(source);
  }

  private current(source: string): Failures | undefined {
    const found = this.failures.get(source);
    if (found !== undefined && found.until <= this.now()) {
      this.failures.delete(source);
      return undefined;
    }
    return found;
  }
}

/** The owner of one IPv6 address usually has its whole /64, so the /64 counts as one source. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const left = head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
