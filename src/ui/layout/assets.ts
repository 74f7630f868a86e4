import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';

/**
 * Tabler's dark colors, for readers whose system asks for them. Tabler itself switches by an attribute of the page,
 * which needs a script and shows a white page first.
 * @param css Tabler's style sheet, minified: the rules that are extracted are not nested in others
 */
function darkTheme(css: string): string {
  const rules = [...css.matchAll(/(?<=^|\})([^{}]*\[data-bs-theme=dark\][^{}]*)\{([^{}]*)\}/g)];
  const dark = rules.flatMap(([, selectors = '', declarations = '']) => {
    const own = selectors.split(',').filter((selector) => /^\[data-bs-theme=dark\](?: |$)/.test(selector));
    if (own.length === 0) return [];
    return `${own.join(',').replaceAll('[data-bs-theme=dark]', ':root')}{${declarations}}`;
  });
  return `@media (prefers-color-scheme:dark){${dark.join('')}}`;
}

const PUBLIC = join(import.meta.dirname, '../public');
/**
 * The files of packages that pages use. htmx and its extension are one file: an extension that arrives after htmx has
 * started on the page would never see it.
 */
const PACKAGED: Readonly<Record<string, readonly string[]>> = {
  'tabler.css': ['@tabler/core/dist/css/tabler.min.css'],
  'htmx.js': ['htmx.org/dist/htmx.min.js', 'htmx.org/dist/ext/hx-sse.min.js'],
};

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface Asset {
  type: string;
  body: Buffer;
  gzipped: Buffer;
  /** A hash of the content: a changed file has a different address, so caches may keep every copy forever. */
  version: string;
}

/** The files that pages need. All are in memory: there are few, and no other file can be requested. */
@Injectable()
export class Assets {
  private readonly assets = new Map<string, Asset>();

  async load(): Promise<void> {
    const { resolve } = createRequire(join(import.meta.dirname, 'assets.js'));
    for (const name of await readdir(PUBLIC)) await this.add(name, await readFile(join(PUBLIC, name)));
    for (const [name, paths] of Object.entries(PACKAGED)) {
      const sources = await Promise.all(paths.map((path) => readFile(resolve(path), 'utf8')));
      const bare = sources.map((source) => source.replace(/\n\/[/*]# sourceMappingURL=.*/, ''));
      await this.add(name, Buffer.from(bare.join('\n')));
    }
    const tabler = this.assets.get('tabler.css')?.body.toString() ?? '';
    await this.add('tabler-dark.css', Buffer.from(darkTheme(tabler)));
    const icons = new Map<string, string>();
    for (const name of ICONS) {
      icons.set(name, await readFile(resolve(`@tabler/icons/outline/${name}.svg`), 'utf8'));
    }
    await this.add('icons.svg', Buffer.from(iconSprite(icons)));
  }

  /** @throws Error for an unknown name, so that a misspelled one in a view shows at once */
  path(name: string): string {
    const asset = this.assets.get(name);
    if (asset === undefined) throw new Error(`there is no asset "${name}"`);
    return `/assets/${name}?v=${asset.version}`;
  }

  /** Answers requests below `/assets`. The files hold no data and are open to everyone. */
  serve(request: Request, response: Response, next: () => void): void {
    const asset = this.assets.get(request.path.slice(1));
    if (asset === undefined || !['GET', 'HEAD'].includes(request.method)) return next();
    response.set({
      'Content-Type': asset.type,
      'Cache-Control':
        request.query.v === asset.version ? 'public, max-age=31536000, immutable' : 'public, max-age=3600',
      ETag: `"${asset.version}"`,
      Vary: 'Accept-Encoding',
    });
    if (request.acceptsEncodings('gzip') === false) {
      response.send(asset.body);
    } else {
      response.set('Content-Encoding', 'gzip').send(asset.gzipped);
    }
  }

  private async add(name: string, body: Buffer): Promise<void> {
    const version = createHash('sha256').update(body).digest('base64url').slice(0, 10);
    const type = TYPES[extname(name)] ?? 'application/octet-stream';
    this.assets.set(name, { type, body, gzipped: await promisify(gzip)(body), version });
  }
}

/** Icons that a file type may have, by their Tabler names. */
export const FILE_TYPE_ICONS = [
  'address-book',
  'book',
  'briefcase',
  'building',
  'calendar',
  'certificate',
  'clipboard-list',
  'credit-card',
  'database-import',
  'file-import',
  'heart',
  'id-badge-2',
  'map-pin',
  'package',
  'receipt',
  'school',
  'shield-check',
  'shopping-cart',
  'stethoscope',
  'tag',
  'ticket',
  'truck',
  'user-check',
  'users',
] as const;

/** Icons of the pages themselves. */
const PAGE_ICONS = [
  'alert-triangle',
  'api',
  'arrow-down',
  'arrow-right',
  'arrow-up',
  'ban',
  'chart-bar',
  'check',
  'chevron-right',
  'circle-check',
  'clock',
  'download',
  'edit',
  'file-spreadsheet',
  'file-upload',
  'forms',
  'inbox',
  'key',
  'list-details',
  'login',
  'logout',
  'mail',
  'menu-2',
  'player-pause',
  'player-play',
  'plus',
  'refresh',
  'search',
  'send',
  'settings',
  'sitemap',
  'stack-2',
  'trash',
  'upload',
  'user',
  'webhook',
  'x',
] as const;

const ICONS: readonly string[] = [...new Set<string>([...FILE_TYPE_ICONS, ...PAGE_ICONS])].sort();

const OF_FILE_TYPES: ReadonlySet<string> = new Set(FILE_TYPE_ICONS);

/** The icon of a file type. The API accepts any name; an unknown one shows the common icon. */
export function fileTypeIcon(name: string): string {
  return OF_FILE_TYPES.has(name) ? name : 'file-import';
}

/** One file with the icons as symbols, to which pages refer. @param sources SVG documents by name */
function iconSprite(sources: ReadonlyMap<string, string>): string {
  const symbols = [...sources].map(([name, source]) => {
    const inner = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(source)?.[1] ?? '';
    const shapes = inner.replace(/<path stroke="none"[^>]*\/>/, '').replace(/\s+/g, ' ');
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>`;
}
