import type { Permission, Principal } from '../../auth/principal.js';

/** The parts of the interface, as pages name theirs. */
export type Section =
  'imports' | 'new-import' | 'workflows' | 'file-types' | 'mail' | 'api-keys' | 'users' | 'account';

interface Entry {
  section: Section | 'docs' | 'queues';
  path: string;
  text: string;
  icon: string;
  /** Who sees it: whoever has one of them, or administrators only. */
  anyOf: readonly Permission[] | 'administrator';
}

const ENTRIES: readonly Entry[] = [
  { section: 'imports', path: '/imports', text: 'Imports', icon: 'stack-2', anyOf: ['ViewImports'] },
  {
    section: 'new-import',
    path: '/imports/new',
    text: 'New import',
    icon: 'upload',
    anyOf: ['BeginWorkflowImportProcess'],
  },
  {
    section: 'workflows',
    path: '/workflows',
    text: 'Workflows',
    icon: 'sitemap',
    anyOf: ['Configure', 'ViewImports'],
  },
  {
    section: 'file-types',
    path: '/file-types',
    text: 'File types',
    icon: 'file-spreadsheet',
    anyOf: ['Configure'],
  },
  { section: 'mail', path: '/mail', text: 'Mail', icon: 'mail', anyOf: ['ViewImports'] },
  { section: 'api-keys', path: '/api-keys', text: 'API keys', icon: 'key', anyOf: 'administrator' },
  { section: 'users', path: '/users', text: 'Users', icon: 'user', anyOf: 'administrator' },
];

const TOOLS: readonly Entry[] = [
  {
    section: 'docs',
    path: '/docs',
    text: 'API docs',
    icon: 'api',
    anyOf: ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports', 'Configure'],
  },
  { section: 'queues', path: '/queues', text: 'Job dashboard', icon: 'list-details', anyOf: 'administrator' },
];

/** The header of a page for somebody: only what may be opened. */
export function navigation(principal: Principal, section: Section | undefined) {
  const shown = (entries: readonly Entry[]) =>
    entries
      .filter(({ anyOf }) => mayOpen(principal, anyOf))
      .map(({ section: own, path, text, icon }) => ({ path, text, icon, current: own === section }));
  return {
    name: principal.name,
    person: principal.user !== undefined,
    entries: shown(ENTRIES),
    tools: shown(TOOLS),
  };
}

function mayOpen({ administrator, permissions }: Principal, anyOf: Entry['anyOf']): boolean {
  if (anyOf === 'administrator') return administrator;
  return anyOf.some((permission) => permissions.includes(permission));
}
