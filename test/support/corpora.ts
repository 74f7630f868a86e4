import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const CORPORA = join(__dirname, '../fixtures/corpora');

/** A file of the third-party test inputs (MANIFEST.md lists them), decompressed if its name ends in .gz. */
export function corpus(path: string): Buffer {
  const bytes = readFileSync(join(CORPORA, path));
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}
