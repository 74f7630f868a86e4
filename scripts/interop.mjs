/**
 * Writes the same workbook with openpyxl, LibreOffice, Gnumeric and exceljs, and compares what the reader makes of it:
 * `npm run test:interop`. Needs python3-openpyxl, soffice and ssconvert; `-- --keep` replaces the committed fixtures.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FIXTURES = resolve('test/fixtures/interop');
const folder = resolve('.cache/interop');
mkdirSync(folder, { recursive: true });

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', timeout: 300_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`, { cause: error });
}

run(process.env.PYTHON ?? 'python3', 'scripts/interop-openpyxl.py', folder);
for (const format of ['xlsx', 'ods']) {
  const target = join(folder, `libreoffice-${format}`);
  run('soffice', '--headless', '--convert-to', format, '--outdir', target, join(folder, 'openpyxl.xlsx'));
  copyFileSync(join(target, `openpyxl.${format}`), join(folder, `libreoffice.${format}`));
}
run('ssconvert', join(folder, 'libreoffice.xlsx'), join(folder, 'gnumeric.xlsx'));
run('ssconvert', join(folder, 'libreoffice.xlsx'), join(folder, 'gnumeric.ods'));
writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
run('npm', 'install', '--prefix', folder, '--no-audit', '--no-fund', 'exceljs@4.4.0');
run('node', 'scripts/interop-exceljs.cjs', folder);

if (process.argv.includes('--keep')) {
  mkdirSync(FIXTURES, { recursive: true });
  for (const name of readdirSync(folder).filter((each) => /\.(xlsx|ods)$/.test(each))) {
    copyFileSync(join(folder, name), join(FIXTURES, name));
  }
}
process.env.INTEROP_FOLDER = folder;
run('npx', 'jest', '--config', 'test/jest.config.js', '--selectProjects', 'unit', '--', 'workbook-interop');
