import { isIPv6 } from 'node:net';

const MAX_FAILURES = 10;
const WINDOW_MS = 15 * 60_000;
/** More addresses than this at a time are an attack; the oldest are forgotten, so memory stays bounded. */
const MAX_ADDRESSES = 10_000;

interface Failures {
  count: number;
  until: number;
}

/**
 * Counts failed sign-ins per client address, in this process: with several API processes the bound is that many
 * times higher, which still makes guessing hopeless and needs no server to be up.
 */
export class SignInThrottle {
  private readonly failures = new Map<string, Failures>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Seconds until the address may try again; 0 when it may now. */
  secondsToWait(address: string): number {
    const found = this.current(address);
    if (found === undefined || found.count < MAX_FAILURES) return 0;
    return Math.max(1, Math.ceil((found.until - this.now()) / 1000));
  }

  failed(address: string): void {
    const found = this.current(address) ?? { count: 0, until: this.now() + WINDOW_MS };
    found.count += 1;
    this.failures.set(networkOf(address), found);
    if (this.failures.size > MAX_ADDRESSES) {
      for (const oldest of this.failures.keys()) {
        this.failures.delete(oldest);
        break;
      }
    }
  }

  succeeded(address: string): void {
    this.failures.delete(networkOf(address));
  }

  private current(address: string): Failures | undefined {
    const network = networkOf(address);
    const found = this.failures.get(network);
    if (found !== undefined && found.until <= this.now()) {
      this.failures.delete(network);
      return undefined;
    }
    return found;
  }
}

/** Whoever has one IPv6 address usually has its /64. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const left = head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
