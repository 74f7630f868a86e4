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

export const ICONS: readonly string[] = [...new Set<string>([...FILE_TYPE_ICONS, ...PAGE_ICONS])].sort();

const OF_FILE_TYPES: ReadonlySet<string> = new Set(FILE_TYPE_ICONS);

/** The icon of a file type. The API accepts any name; an unknown one shows the common icon. */
export function fileTypeIcon(name: string): string {
  return OF_FILE_TYPES.has(name) ? name : 'file-import';
}

/** One file with the icons as symbols, to which pages refer. @param sources SVG documents by name */
export function iconSprite(sources: ReadonlyMap<string, string>): string {
  const symbols = [...sources].map(([name, source]) => {
    const inner = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(source)?.[1] ?? '';
    const shapes = inner.replace(/<path stroke="none"[^>]*\/>/, '').replace(/\s+/g, ' ');
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>`;
}
