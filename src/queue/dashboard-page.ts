import type { AppViewRoute } from '@bull-board/api/typings/app';
import { ExpressAdapter } from '@bull-board/express';
import type { Request, Response } from 'express';

/** bull-board's page, without what it asks of others: it wants its fonts from Google, and no option says otherwise. */
export class DashboardPage extends ExpressAdapter {
  override setEntryRoute(page: AppViewRoute): this {
    this.app[page.method](
      page.route,
      (_request: Request, response: Response, next: (error: unknown) => void) => {
        const { name, params } = page.handler({ basePath: this.basePath, uiConfig: this.uiConfig });
        response.render(name, params, (error: Error | null, html: string) => {
          if (error === null) response.send(withoutForeignLinks(html));
          else next(error);
        });
      },
    );
    return this;
  }
}

export function withoutForeignLinks(html: string): string {
  return html.replace(/<link\s[^>]*href="(?:https?:)?\/\/[^>]*>/g, '');
}
