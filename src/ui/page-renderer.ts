import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyDecorators, Header, Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import type { AuthenticatedRequest } from '../auth/access.js';
import { currentRequest } from '../platform/logging/request-context.js';
import { counted, formatNumber, formatTime } from '../platform/wording.js';
import { Assets } from './layout/assets.js';
import { navigation, type Section } from './layout/navigation.js';

const VIEWS = join(import.meta.dirname, 'views');

/** What every page says of itself to the layout. */
export interface PageModel {
  title: string;
  /** Whose entry in the header is the current one. */
  section?: Section;
  /** For browsers without JavaScript: looks again after so many seconds. */
  refreshSeconds?: number | null;
  /** What the view itself shows. */
  [name: string]: unknown;
}

/**
 * Renders the Handlebars views. Handlebars is used as it is and not as Express's view engine: an environment of our
 * own has no global state, and every view is compiled at the start, so that a broken one stops it.
 * `{{value}}` is escaped; no view uses the unescaped form (a test holds them to it).
 */
@Injectable()
export class PageRenderer implements OnModuleInit {
  private readonly handlebars = Handlebars.create();
  private readonly views = new Map<string, Handlebars.TemplateDelegate>();

  constructor(private readonly assets: Assets) {}

  async onModuleInit(): Promise<void> {
    await this.assets.load();
    this.handlebars.registerHelper({
      number: (value: number) => formatNumber(value),
      counted: (count: number, noun: string) => counted(count, noun),
      time: (value: string) => formatTime(value),
      asset: (name: string) => this.assets.path(name),
      join: (list: readonly string[]) => list.join(', '),
      same: (a: unknown, b: unknown) => a === b,
    });
    for (const file of await readdir(VIEWS, { recursive: true })) {
      if (!file.endsWith('.hbs')) continue;
      const name = file.replaceAll('\\', '/').replace(/\.hbs$/, '');
      const source = await readFile(join(VIEWS, file), 'utf8');
      const partial = /(?:^|\/)_([^/]+)$/.exec(name)?.[1];
      if (partial !== undefined) this.handlebars.registerPartial(partial, source);
      else this.views.set(name, this.handlebars.compile(source, { preventIndent: true }));
    }
  }

  /**
   * The header names whoever is signed in and offers what they may open, without a word of it in each page.
   * @param name a file of `views/` without its extension
   */
  render(name: string, model: PageModel): string {
    const { principal } = (currentRequest() ?? {}) as Partial<AuthenticatedRequest>;
    return this.view(name)({ header: principal && navigation(principal, model.section), ...model });
  }

  /** A part of a page, which htmx puts in the place of an older one. */
  fragment(name: string, model: object): string {
    return this.view(name)(model);
  }

  private view(name: string): Handlebars.TemplateDelegate {
    const view = this.views.get(name);
    if (view === undefined) throw new Error(`there is no view "${name}"`);
    return view;
  }
}

/** What a handler answers is a page: HTML that no cache keeps, since it shows what is so now, to one person. */
export const HtmlPage = () =>
  applyDecorators(Header('Content-Type', 'text/html; charset=utf-8'), Header('Cache-Control', 'no-store'));
