import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type SharedLimit, SharedLimits } from '../platform/shared-limits.js';
import { tooManyFailedSignIns } from './auth.errors.js';

const WINDOW_SECONDS = 15 * 60;
/** Many users of an office share one address. */
const FAILURES_PER_NETWORK = 20;
/** No one mistypes one password ten times. */
const FAILURES_PER_ACCOUNT_AND_NETWORK = 10;
/** Guesses that come from many networks. */
const FAILURES_PER_ACCOUNT = 30;
const FAILURES_PER_KNOWN_BROWSER = 10;

/** Where an attempt to sign in comes from. */
export interface SignInSource {
  account: string;
  address: string;
  /** An id of the browser, if the account has signed in with it before. */
  knownBrowser: string | null;
}

export interface SignInAttempt {
  /** The password was right. */
  succeed(): Promise<void>;
  /** The password was not checked. */
  takeBack(): Promise<void>;
}

interface Count {
  limit: SharedLimit;
  source: string;
  /** Whether a success clears the failures before it. Otherwise it only does not count itself. */
  clears: boolean;
}

/**
 * Counts failed sign-ins, over all processes. Anyone can fail to sign in to the account of another user, so those
 * failures must not lock the owner out: a browser that has signed in to the account before has a count of its own.
 */
@Injectable()
export class SignInThrottle implements OnModuleInit {
  private limits: Record<'networks' | 'pairs' | 'accounts' | 'browsers', SharedLimit> | undefined;

  constructor(private readonly shared: SharedLimits) {}

  onModuleInit(): void {
    const limit = (name: string, points: number) =>
      this.shared.limit({ name: `sign-in:${name}`, points, windowSeconds: WINDOW_SECONDS });
    this.limits = {
      networks: limit('network', FAILURES_PER_NETWORK),
      pairs: limit('account-network', FAILURES_PER_ACCOUNT_AND_NETWORK),
      accounts: limit('account', FAILURES_PER_ACCOUNT),
      browsers: limit('browser', FAILURES_PER_KNOWN_BROWSER),
    };
  }

  /**
   * Call this before the password is checked: during one check, a hundred more attempts could pass.
   * @throws DomainError 429 `too_many_failed_sign_ins`
   */
  begin(source: SignInSource): Promise<SignInAttempt> {
    return this.count(this.countsOf(source));
  }

  /** For a sign-in that names no account: counts by network only. @throws DomainError 429 `too_many_failed_sign_ins` */
  beginFrom(address: string): Promise<SignInAttempt> {
    return this.count([{ limit: this.started.networks, source: keyOf(networkOf(address)), clears: false }]);
  }

  private async count(counts: readonly Count[]): Promise<SignInAttempt> {
    const states = await Promise.all(counts.map(({ limit, source: counted }) => limit.take(counted)));
    const takeBack = async () => {
      await Promise.all(counts.map(({ limit, source: counted }) => limit.giveBack(counted)));
    };
    const refused = states.filter(({ allowed }) => !allowed);
    if (refused.length > 0) {
      // A refused attempt is not a guess.
      await takeBack();
      throw tooManyFailedSignIns(Math.max(...refused.map(({ seconds }) => seconds)));
    }
    return {
      takeBack,
      succeed: async () => {
        await Promise.all(
          counts.map(({ limit, source: counted, clears }) =>
            clears ? limit.forget(counted) : limit.giveBack(counted),
          ),
        );
      },
    };
  }

  private get started() {
    if (this.limits === undefined) throw new Error('the throttle has not started yet');
    return this.limits;
  }

  private countsOf({ account, address, knownBrowser }: SignInSource): Count[] {
    const { networks, pairs, accounts, browsers } = this.started;
    if (knownBrowser !== null) {
      return [{ limit: browsers, source: keyOf(account, knownBrowser), clears: true }];
    }
    const network = networkOf(address);
    return [
      // It keeps its failures: otherwise an attacker with one account could go on guessing at others.
      { limit: networks, source: keyOf(network), clears: false },
      { limit: pairs, source: keyOf(account, network), clears: true },
      { limit: accounts, source: keyOf(account), clears: false },
    ];
  }
}

/** Redis gets no e-mail addresses. */
const keyOf = (...parts: string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('base64url').slice(0, 22);

/** The owner of one IPv6 address usually has its whole /64, so the /64 counts as one source. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const left = head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
