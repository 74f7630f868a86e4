const { default: Sequencer } = require('@jest/test-sequencer');

/** What a file of a folder usually takes, in seconds. */
const USUAL = { crash: 60, browser: 50, property: 30, integration: 12, e2e: 10 };

function seconds({ path, duration }) {
  if (duration !== undefined) return duration / 1000;
  const folder = Object.keys(USUAL).find((name) => path.includes(`/test/${name}/`));
  return folder === undefined ? 1 : USUAL[folder];
}

/**
 * Starts long files first, so that no worker is left with one at the end. Jest does so with what it remembers of former
 * runs; in a fresh clone it would go by the size of the files.
 */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    if (sorted.every(({ duration }) => duration !== undefined)) return sorted;
    return [...sorted].sort((a, b) => seconds(b) - seconds(a));
  }
};
