import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import type { AuthenticatedRequest } from '../auth/current-principal.decorator.js';
import { formatNumber, formatTime } from '../common/format.js';
import { currentRequest } from '../common/http/request-context.js';

const VIEWS = join(import.meta.dirname, 'views');

/**
 * Renders the Handlebars views. Handlebars is used as it is and not as Express's view engine: an environment of our
 * own has no global state, and every view is compiled at the start, so that a broken one stops it.
 * `{{value}}` is escaped; no view uses the unescaped form (a test holds them to it).
 */
@Injectable()
export class PageRenderer implements OnModuleInit {
  private readonly handlebars = Handlebars.create();
  private readonly views = new Map<string, Handlebars.TemplateDelegate>();

  async onModuleInit(): Promise<void> {
    this.handlebars.registerHelper('number', (value: number) => formatNumber(value));
    this.handlebars.registerHelper('time', (value: string) => formatTime(value));
    for (const file of await readdir(VIEWS)) {
      const name = file.replace(/\.hbs$/, '');
      const source = await readFile(join(VIEWS, file), 'utf8');
      if (name.startsWith('_')) this.handlebars.registerPartial(name.slice(1), source);
      else this.views.set(name, this.handlebars.compile(source, { preventIndent: true }));
    }
  }

  /**
   * The layout names whoever is signed in and offers what they may open (`visitor`), on every page and without a
   * word of it in each.
   * @param name a file of `views/` without its extension
   */
  render(name: string, model: object): string {
    const view = this.views.get(name);
    if (view === undefined) throw new Error(`there is no view "${name}"`);
    return view({ visitor: visitor(), ...model });
  }
}

function visitor() {
  const { principal } = (currentRequest() ?? {}) as Partial<AuthenticatedRequest>;
  if (principal?.user === undefined) return null;
  return { name: principal.name, role: principal.user.role, administrator: principal.administrator };
}
