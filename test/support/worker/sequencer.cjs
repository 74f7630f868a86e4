const { default: Sequencer } = require('@jest/test-sequencer');

/** Folders whose files take long, the longest first. */
const LONG = ['/test/crash/', '/test/browser/', '/test/property/', '/test/integration/', '/test/e2e/'];

function rank({ path }) {
  const found = LONG.findIndex((folder) => path.includes(folder));
  return found === -1 ? LONG.length : found;
}

/**
 * Starts long files first, so that no worker is left with one at the end. Jest does so when it remembers a former run;
 * in a fresh clone it would go by the size of the files.
 */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    if (sorted.some(({ duration }) => duration !== undefined)) return sorted;
    return [...sorted].sort((a, b) => rank(a) - rank(b));
  }
};
