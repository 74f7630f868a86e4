import type { Browser, BrowserContextOptions } from 'playwright-core';
import { ImportClient } from '../import-client.js';
import { signIn } from '../sign-in.js';
import { startTestApp, type TestApp } from '../test-app.js';
import { startBrowser, Visitor } from './visitor.js';

/** The whole service, and a browser to visit it with. */
export class Site {
  private readonly visitors: Visitor[] = [];

  private constructor(
    readonly app: TestApp,
    readonly client: ImportClient,
    private readonly browser: Browser,
  ) {}

  static async open(environment: Record<string, string> = {}): Promise<Site> {
    const browser = await startBrowser();
    // An https address would make the browser ask for everything by https.
    const app = await startTestApp({ PUBLIC_URL: 'http://127.0.0.1', ...environment });
    return new Site(app, new ImportClient(app.url), browser);
  }

  get url(): string {
    return this.app.url;
  }

  /** An administrator, signed in. */
  async administrator(options: BrowserContextOptions = {}): Promise<Visitor> {
    return this.visitor(await signIn(this.app), options);
  }

  /** The owner of the session cookie; an anonymous visitor without one. */
  async visitor(cookie: string | null, options: BrowserContextOptions = {}): Promise<Visitor> {
    const visitor = await Visitor.enter(this.browser, this.url, cookie, options);
    this.visitors.push(visitor);
    return visitor;
  }

  /** Ends the visits of one test. @returns what the browsers complained of */
  async farewell(): Promise<string[]> {
    const visitors = this.visitors.splice(0);
    for (const visitor of visitors) await visitor.leave();
    return visitors.flatMap(({ complaints }) => complaints);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.app.close();
  }
}
