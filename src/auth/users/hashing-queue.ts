import { DomainError } from '../../common/domain.error.js';

const AT_A_TIME = 2;
const MOST_WAITING = 100;

let running = 0;
const waiting: (() => void)[] = [];

/**
 * Runs the work when its turn comes. Hashes are computed by the few threads that also inflate uploads and look up host
 * names: a flood of sign-ins must not take all of them.
 * @throws DomainError 503 `too_many_sign_ins` when too many wait already
 */
export async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (waiting.length >= MOST_WAITING) throw tooManySignIns();
  if (running >= AT_A_TIME) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    return await work();
  } finally {
    // Whoever waits takes over the place, so that nobody slips in between.
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

function tooManySignIns(): DomainError {
  return new DomainError(
    503,
    'too_many_sign_ins',
    'Too many sign-ins at once',
    'More people sign in at this moment than can be served. Try again in a few seconds.',
    { headers: { 'Retry-After': '5' } },
  );
}
