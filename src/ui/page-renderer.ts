import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyDecorators, Header, Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import type { AuthenticatedRequest } from '../auth/access.js';
import { AppConfig } from '../platform/config/config.js';
import { pageBelow, publicPath } from '../platform/http/headers.js';
import { currentRequest } from '../platform/instrumentation.js';
import { QueuePauses } from '../platform/queue/queue.module.js';
import { formatNumber, formatTime } from '../platform/wording.js';
import { Assets } from './layout/assets.js';
import { navigation, type Section } from './layout/navigation.js';
import { html, queueText, type TextValues } from './texts/catalogue.js';

const VIEWS = join(import.meta.dirname, 'views');

/** What every page tells the layout. */
export interface PageModel {
  title: string;
  /** The entry of the header to mark as the current one. */
  section?: Section;
  /** Seconds after which browsers without JavaScript reload the page. */
  refreshSeconds?: number | null;
  /** The values of the view itself. */
  [name: string]: unknown;
}

/**
 * Renders the Handlebars views. Handlebars is not used as Express's view engine: an environment of our own has no
 * global state, and every view is compiled at startup, so that a broken one stops it.
 * Views take their texts from the catalogue: `{{t "recent.title"}}`.
 * `{{value}}` is escaped; no view uses the unescaped form (a test ensures it).
 * Why: ADR 14.
 */
@Injectable()
export class PageRenderer implements OnModuleInit {
  private readonly handlebars = Handlebars.create();
  private readonly views = new Map<string, Handlebars.TemplateDelegate>();

  private readonly publicPath: string;

  constructor(
    private readonly assets: Assets,
    private readonly pauses: QueuePauses,
    { publicUrl }: AppConfig,
  ) {
    this.publicPath = publicPath(publicUrl);
  }

  async onModuleInit(): Promise<void> {
    await this.assets.load();
    this.handlebars.registerHelper({
      t: (key: string, options: { hash: TextValues }) => new Handlebars.SafeString(html(key, options.hash)),
      number: (value: number) => formatNumber(value),
      time: (value: string) => formatTime(value),
      asset: (name: string) => this.assets.path(name),
      join: (list: readonly string[]) => list.join(', '),
      same: (a: unknown, b: unknown) => a === b,
      concat: (...texts: unknown[]) => texts.slice(0, -1).join(''),
    });
    for (const file of await readdir(VIEWS, { recursive: true })) {
      if (!file.endsWith('.hbs')) continue;
      const name = file.replaceAll('\\', '/').replace(/\.hbs$/, '');
      const source = await readFile(join(VIEWS, file), 'utf8');
      const partial = /(?:^|\/)_([^/]+)$/.exec(name)?.[1];
      if (partial !== undefined) this.handlebars.registerPartial(partial, source.trimEnd());
      else this.views.set(name, this.handlebars.compile(source, { preventIndent: true }));
    }
  }

  /**
   * Renders a page. The header names the person who is signed in and offers the pages that person may open.
   * @param name a file of `views/` without its extension
   */
  render(name: string, model: PageModel): string {
    const { principal } = (currentRequest() ?? {}) as Partial<AuthenticatedRequest>;
    const isReader = principal?.permissions.includes('ViewImports') ?? false;
    const pausedQueues = isReader ? this.pauses.lastKnown.map(queueText).join(', ') : '';
    const header = principal && navigation(principal, model.section);
    return this.fragment(name, { header, pausedQueues, ...model });
  }

  /** Renders a part of a page, which htmx puts in the place of an older one. */
  fragment(name: string, model: object): string {
    return pageBelow(this.publicPath, this.view(name)(model));
  }

  private view(name: string): Handlebars.TemplateDelegate {
    const view = this.views.get(name);
    if (view === undefined) throw new Error(`there is no view "${name}"`);
    return view;
  }
}

/** The handler answers a page. No cache keeps it: it shows the present state, to one person. */
export const HtmlPage = () =>
  applyDecorators(Header('Content-Type', 'text/html; charset=utf-8'), Header('Cache-Control', 'no-store'));
