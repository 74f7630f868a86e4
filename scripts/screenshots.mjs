/**
 * `npm run screenshots`: takes the pictures of docs/screenshots from a demo that it starts. Needs /usr/bin/chromium, or
 * the path of another Chromium in CHROMIUM.
 */
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, chmodSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, ROOT, TYPESCRIPT } from './preparation.mjs';
import { useSupportedNode } from './supported-node.mjs';

const DESK = { width: 1440, height: 900 };
const PHONE = { width: 375, height: 812 };
const ADMIN = { email: 'admin@example.org', password: 'only-for-screenshots' };
const FOLDER = join(ROOT, 'docs', 'screenshots');

await useSupportedNode();
ensureInstalled();
const { chromium } = await import('playwright-core');

const dataDir = mkdtempSync(join(tmpdir(), 'wiq-screenshots-'));
chmodSync(dataDir, 0o755);
const demo = spawn(process.execPath, [...TYPESCRIPT, join(ROOT, 'dev', 'quickstart', 'quickstart.ts')], {
  cwd: ROOT,
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    DATA_DIR: dataDir,
    PORT: process.env.PORT ?? '4490',
    HOST: '127.0.0.1',
    PUBLIC_URL: `http://127.0.0.1:${process.env.PORT ?? '4490'}`,
    BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
    BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  },
});
try {
  const url = await demoUrl();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  mkdirSync(FOLDER, { recursive: true });
  await picture(browser, url, { name: 'recent-imports', viewport: DESK, path: '/imports' });
  await picture(browser, url, { name: 'import', viewport: DESK, path: latestImport });
  await picture(browser, url, {
    name: 'import-dark',
    viewport: DESK,
    colorScheme: 'dark',
    path: latestImport,
  });
  await picture(browser, url, { name: 'confirmation', viewport: DESK, path: upload });
  await picture(browser, url, { name: 'import-phone', viewport: PHONE, path: latestImport });
  await browser.close();
} finally {
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  demo.kill('SIGTERM');
  await ended;
  rmSync(dataDir, { recursive: true, force: true });
}

/** The address that the demo prints once it serves. */
async function demoUrl() {
  let printed = '';
  for await (const piece of demo.stdout.setEncoding('utf8')) {
    printed += piece;
    const url = /Recent Imports\s+(http\S+?)\/imports/.exec(printed)?.[1];
    if (url) return url;
  }
  throw new Error(`the demo ended early:\n${printed}`);
}

async function picture(browser, baseURL, { name, viewport, path, colorScheme = 'light' }) {
  const context = await browser.newContext({ viewport, baseURL, colorScheme, locale: 'en-GB' });
  const page = await context.newPage();
  await page.goto('/login');
  await page.getByLabel('E-mail').fill(ADMIN.email);
  await page.getByLabel('Password').fill(ADMIN.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(({ pathname }) => pathname !== '/login');
  if (typeof path === 'string') await page.goto(path);
  else await path(page);
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  await context.close();
}

async function latestImport(page) {
  await page.goto('/imports');
  await page.getByRole('link', { name: 'members.jsonl' }).first().click();
  await page.locator('#live').waitFor();
}

/** Uploads a small file that contains a mistake. */
async function upload(page) {
  await page.goto('/imports/new');
  await page.getByRole('link', { name: 'Import a file of Member roles' }).click();
  const rows = [
    [':UniqueId', ':Email', 'First Name', 'Last Name', 'Date Of Birth', 'Hours', 'Level'],
    ['M-10001', 'member0001@example.org', 'Diego', 'Okafor', '1982-09-21', '28.5', 'Fellow'],
    ['M-20002', 'ada@example.org', 'Ada', 'Byron', '1815-12-10', '40', 'Fellow'],
    ['M-20003', 'grace@example.org', 'Grace', 'Hopper', '09/12/1906', '38', 'Fellow'],
    ['M-20004', 'alan@example.org', 'Alan', 'Turing', '1912-06-23', '41', 'Associate'],
    ['M-20005', 'edsger@example.org', 'Edsger', 'Dijkstra', '1930-05-11', '36', 'Member'],
  ];
  await page.locator('input[type=file]').setInputFiles({
    name: 'new-members.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(rows.map((cells) => `${cells.join(';')}\r\n`).join('')),
  });
  await page.getByRole('button', { name: 'Upload and check' }).click();
  await page.getByRole('heading', { name: 'new-members.csv' }).waitFor();
}
