import { readFileSync } from 'node:fs';
import type { AxeResults } from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { findChromium } from './find-chromium.js';

/** The widths that pages are designed for. */
export const PHONE = { width: 375, height: 812 };
const DESK = { width: 1440, height: 900 };

export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    // Its sandbox refuses to run as root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
}

/** A person at a browser. Keeps every complaint of the browser, about scripts and the content security policy. */
export class Visitor {
  readonly complaints: string[] = [];

  private constructor(
    private readonly context: BrowserContext,
    readonly page: Page,
    private readonly url: string,
  ) {
    page.on('console', (message) => {
      // A page that reports the errors of a form has the status 400, which the browser logs.
      if (/^Failed to load resource: .* status of 400/.test(message.text())) return;
      if (message.type() === 'error' || message.type() === 'warning')
        this.complaints.push(`${page.url()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.complaints.push(`${page.url()}: ${error.message}`));
  }

  /** @param cookie of a session, as `name=value` */
  static async enter(
    browser: Browser,
    url: string,
    cookie: string | null,
    options: BrowserContextOptions = {},
  ): Promise<Visitor> {
    const context = await browser.newContext({ viewport: DESK, baseURL: url, ...options });
    if (cookie !== null) {
      const [name = '', ...value] = cookie.split('=');
      await context.addCookies([{ name, value: value.join('='), url }]);
    }
    context.setDefaultTimeout(60_000);
    return new Visitor(context, await context.newPage(), url);
  }

  async open(path: string): Promise<void> {
    await this.page.goto(path);
  }

  /** The path of the page that is shown. */
  get path(): string {
    return this.page.url().replace(this.url, '');
  }

  async leave(): Promise<void> {
    await this.context.close();
  }

  /** Accessibility violations found by axe, in light and in dark. */
  async hindrances(): Promise<string[]> {
    const found: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      found.push(...(await this.axe()).map((hindrance) => `${colorScheme}: ${hindrance}`));
    }
    await this.page.emulateMedia({ colorScheme: 'light' });
    return found;
  }

  /** How much wider the page is than the window: a page must not be scrolled sideways. */
  async overflow(): Promise<number> {
    return this.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
  }

  private async axe(): Promise<string[]> {
    // Evaluated by the debugger, which the content security policy does not hold back.
    await this.page.evaluate(AXE);
    const results: AxeResults = await this.page.evaluate('axe.run({ resultTypes: ["violations"] })');
    return results.violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join('\n')}`,
    );
  }
}

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
