/**
 * Writes THIRD-PARTY-NOTICES: the licenses of all packages that `npm ci --omit=dev` installs. `--check` only compares the
 * packages with those in the file.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(ROOT, 'THIRD-PARTY-NOTICES');
const LICENSE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
const production = Object.entries(packages)
  .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
  .map(([path, { version, license, optional }]) => ({
    path,
    name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    version,
    license,
    optional,
  }));

/** By text, because many packages share one. */
const packagesByText = new Map();
for (const { path, name, version, license, optional } of production) {
  const folder = join(ROOT, path);
  // Packages for other systems are not installed.
  if (!existsSync(folder) && optional === true) continue;
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => LICENSE_FILE.test(file)) : [];
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim());
  const text = texts.join('\n\n') || `License: ${license ?? 'not stated'}. The package has no license file.`;
  packagesByText.set(text, [
    ...(packagesByText.get(text) ?? []),
    `${name} ${version} (${license ?? 'see below'})`,
  ]);
}
const sections = [...packagesByText].map(([text, names]) => ({ text, names: [...new Set(names)].sort() }));
sections.sort((a, b) => (a.names[0] < b.names[0] ? -1 : 1));
const listed = (text) => new Set([...text.matchAll(/^ {2}(\S+ \S+) \(.*\)$/gm)].map(([, name]) => name));

const content = [
  'Workflow Import Queue contains these packages. `npm run notices` writes this file.',
  ...sections.map(({ text, names }) => `${names.map((name) => `  ${name}`).join('\n')}\n\n${text}`),
].join(`\n\n${'-'.repeat(80)}\n\n`);

if (process.argv.includes('--check')) {
  const [before, now] = [listed(existsSync(FILE) ? readFileSync(FILE, 'utf8') : ''), listed(content)];
  const different = [...now]
    .filter((name) => !before.has(name))
    .concat([...before].filter((name) => !now.has(name)));
  if (different.length > 0) {
    console.error(`THIRD-PARTY-NOTICES differs: ${different.slice(0, 10).join(', ')}. Run npm run notices.`);
    process.exit(1);
  }
} else {
  writeFileSync(FILE, `${content}\n`);
}
