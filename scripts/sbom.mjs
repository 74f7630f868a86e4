// `npm run sbom`: prints a CycloneDX list of the packages that `npm ci --omit=dev` installs, as package-lock.json has them.
// `npm sbom --omit dev` leaves out production packages that a development package also asks for (pg, @nestjs/common, …), so
// this takes the whole list and removes what is marked as a development package.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const all = JSON.parse(
  execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  }),
);
const isDevelopment = ({ properties = [] }) =>
  properties.some(({ name, value }) => name === 'cdx:npm:package:development' && value === 'true');
const components = all.components.filter((component) => !isDevelopment(component));
const kept = new Set([all.metadata.component, ...components].map((component) => component['bom-ref']));
const dependencies = all.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const missing = Object.keys(lock.packages['']?.dependencies ?? {}).filter(
  (name) => !components.some(({ group, name: short }) => (group ? `${group}/${short}` : short) === name),
);
if (missing.length > 0) {
  console.error(`The list lacks ${missing.join(', ')}.`);
  process.exit(1);
}
console.log(JSON.stringify({ ...all, components, dependencies }, null, 2));
