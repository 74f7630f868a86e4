/** Fails if a page links to a file that does not exist, or names a source file or an ADR that does not. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './preparation.mjs';

const SOURCE =
  /`((?:src|test|dev|bench|scripts|docs|examples)\/[\w./-]+\.\w+|(?:platform|records|delivery|formats|auth|workflows|batches|targets|import-processes|processing|notifications|import-queue|ui|definitions|operations|app)\/[\w./-]+\.\w+)`/g;
const LINK = /\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/g;
const ADR = /\bADR (\d+)\b/g;

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'test/README.md',
  ...below('docs', '.md'),
  ...below('examples', '.md'),
];
const decisions = new Set(below('docs/adr', '.md').map((file) => Number(/\/(\d{4})-/.exec(file)?.[1])));
const problems = [];

for (const page of pages) {
  const text = readFileSync(join(ROOT, page), 'utf8');
  for (const [, target] of text.matchAll(LINK)) {
    if (!existsSync(join(ROOT, dirname(page), target)))
      problems.push(`${page}: the link ${target} leads nowhere`);
  }
  // The changelog names files as they were.
  if (page === 'CHANGELOG.md') continue;
  for (const [, file] of text.matchAll(SOURCE)) {
    if (!existsSync(join(ROOT, file)) && !existsSync(join(ROOT, 'src', file)))
      problems.push(`${page}: ${file} does not exist`);
  }
}
for (const file of [
  ...pages,
  ...below('src', '.ts'),
  ...below('dev', '.ts'),
  ...below('test', '.ts'),
  ...below('bench', '.ts'),
]) {
  for (const [, number] of readFileSync(join(ROOT, file), 'utf8').matchAll(ADR)) {
    if (!decisions.has(Number(number))) problems.push(`${file}: ADR ${number} does not exist`);
  }
}

for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);

function below(folder, extension) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true })
    .filter((name) => name.endsWith(extension))
    .map((name) => join(folder, name));
}
