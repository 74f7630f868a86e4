/** Part of `npm run check`: an exported name means one thing, so that no two files of the project export it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['src', 'dev', 'test/support', 'bench'];
const DECLARATION =
  /^export (?:declare |abstract |async )*(?:class|const|enum|function\*?|interface|let|type) ([\w$]+)/gm;

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map(({ parentPath, name }) => join(parentPath, name)),
);
const places = new Map();
for (const file of files) {
  // A type and the value of the same name in one file are one meaning.
  const names = new Set([...readFileSync(file, 'utf8').matchAll(DECLARATION)].map(([, name]) => name));
  for (const name of names) places.set(name, [...(places.get(name) ?? []), relative(ROOT, file)]);
}
const repeated = [...places].filter(([, where]) => where.length > 1);
for (const [name, where] of repeated) console.error(`${name} is exported by ${where.join(' and ')}`);
if (repeated.length > 0) process.exit(1);
