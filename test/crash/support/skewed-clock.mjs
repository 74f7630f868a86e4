/**
 * Preloaded into a process (`NODE_OPTIONS=--import=…`): its clock is wrong by CLOCK_SKEW_MS, and jumps by as much the
 * other way at each SIGUSR2, as a clock that is set. `performance.now()` is monotonic and goes on.
 */
let skew = Number(process.env.CLOCK_SKEW_MS ?? 0);
process.on('SIGUSR2', () => (skew = -skew));

const Real = globalThis.Date;
globalThis.Date = class Date extends Real {
  constructor(...args) {
    if (args.length === 0) super(Real.now() + skew);
    else super(...args);
  }

  static now() {
    return Real.now() + skew;
  }
};
