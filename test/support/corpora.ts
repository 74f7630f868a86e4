import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Third-party test material beside the checkout; a clone on its own does not have it. */
const CORPORA = join(__dirname, '../../../shared/corpora');

/** `describe` where the third-party corpora are there; otherwise the tests are skipped, saying why. */
export const describeWithCorpora = existsSync(CORPORA) ? describe : skipSayingWhy;

function skipSayingWhy(name: string): void {
  console.warn(`skipped "${name}": the third-party corpora are not at ${CORPORA}`);
  // Not the tests themselves: what they are made of is read while they are declared.
  describe.skip(name, () => it('needs the corpora beside the checkout', () => undefined));
}

/** A file of the corpora, unpacked if its name ends in .gz. */
export function corpus(path: string): Buffer {
  const bytes = readFileSync(join(CORPORA, path));
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}
