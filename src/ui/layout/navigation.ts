import type { Permission, Principal } from '../../auth/principal.js';
import { text, type TextKey } from '../texts/catalogue.js';

/** The parts of the interface. Each page names its own. */
export type Section =
  | 'overview'
  | 'imports'
  | 'new-import'
  | 'workflows'
  | 'file-types'
  | 'mail'
  | 'webhooks'
  | 'api-keys'
  | 'users'
  | 'audit'
  | 'people'
  | 'settings'
  | 'account';

interface Entry {
  section: Section | 'docs' | 'queues';
  path: string;
  text: TextKey;
  icon: string;
  /** Who sees it: anyone with one of these permissions, administrators only, or operators of all file types as well. */
  anyOf: readonly Permission[] | 'administrator' | 'unlimited operator';
}

const ENTRIES: readonly Entry[] = [
  {
    section: 'overview',
    path: '/overview',
    text: 'layout.nav.overview',
    icon: 'chart-bar',
    anyOf: ['ManageImports'],
  },
  {
    section: 'imports',
    path: '/imports',
    text: 'layout.nav.imports',
    icon: 'stack-2',
    anyOf: ['ViewImports'],
  },
  {
    section: 'new-import',
    path: '/imports/new',
    text: 'layout.nav.newImport',
    icon: 'upload',
    anyOf: ['BeginWorkflowImportProcess'],
  },
  {
    section: 'workflows',
    path: '/workflows',
    text: 'layout.nav.workflows',
    icon: 'sitemap',
    anyOf: ['Configure', 'ViewImports'],
  },
  {
    section: 'file-types',
    path: '/file-types',
    text: 'layout.nav.fileTypes',
    icon: 'file-spreadsheet',
    anyOf: ['Configure'],
  },
  { section: 'mail', path: '/mail', text: 'layout.nav.mail', icon: 'mail', anyOf: ['ViewImports'] },
  {
    section: 'webhooks',
    path: '/webhooks',
    text: 'layout.nav.webhooks',
    icon: 'webhook',
    anyOf: ['Configure'],
  },
  { section: 'api-keys', path: '/api-keys', text: 'layout.nav.apiKeys', icon: 'key', anyOf: 'administrator' },
  { section: 'users', path: '/users', text: 'layout.nav.users', icon: 'user', anyOf: 'administrator' },
  { section: 'people', path: '/people', text: 'layout.nav.people', icon: 'users', anyOf: ['Administer'] },
  {
    section: 'settings',
    path: '/settings',
    text: 'layout.nav.settings',
    icon: 'settings',
    anyOf: 'administrator',
  },
  { section: 'audit', path: '/audit', text: 'layout.nav.audit', icon: 'shield-check', anyOf: ['Administer'] },
];

const TOOLS: readonly Entry[] = [
  {
    section: 'docs',
    path: '/docs',
    text: 'layout.nav.docs',
    icon: 'api',
    anyOf: ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports', 'Configure'],
  },
  {
    section: 'queues',
    path: '/queues',
    text: 'layout.nav.queues',
    icon: 'list-details',
    anyOf: 'unlimited operator',
  },
];

/** The header of a page: only the entries that the principal may open. */
export function navigation(principal: Principal, section: Section | undefined) {
  const shown = (entries: readonly Entry[]) =>
    entries
      .filter(({ anyOf }) => mayOpen(principal, anyOf))
      .map(({ section: own, path, text: key, icon }) => ({
        ...{ path, icon },
        text: text(key),
        current: own === section,
      }));
  return {
    name: principal.name,
    person: principal.user !== undefined,
    entries: shown(ENTRIES),
    tools: shown(TOOLS),
  };
}

function mayOpen(principal: Principal, anyOf: Entry['anyOf']): boolean {
  const { administrator, permissions, user, importProcessIds } = principal;
  if (anyOf === 'administrator') return administrator;
  if (anyOf === 'unlimited operator')
    return administrator || (user?.role === 'operator' && importProcessIds === null);
  return anyOf.some((permission) => permissions.includes(permission));
}

/** The address of the page of an import. */
export const importPath = (id: number) => `/imports/${id}`;

/** The address of the page of a record. */
export const recordPath = (importId: number, line: number) => `${importPath(importId)}/records/${line}`;

/** The address of the page of a workflow. */
export const workflowPath = (workflow: string) => `/workflows/${encodeURIComponent(workflow)}`;

/** The address of the page of an instance. */
export const instancePath = (workflow: string, id: number | string) =>
  `${workflowPath(workflow)}/instances/${encodeURIComponent(id)}`;

/** Where a template of the rows of a file type is downloaded; the query names its format. */
export const templatePath = (importProcessId: number) =>
  `/API/WorkflowImportQueue/ImportProcesses/${importProcessId}/Template`;

/** The same address with a query; values that are missing are left out. */
export function withQuery(path: string, values: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** A command that a person can copy to try an API key: it imports a file if the key may do so. */
export function curlLine(
  publicUrl: string,
  key: string,
  importProcessId: number,
  permissions: readonly string[] = ['BeginWorkflowImportProcess'],
): string {
  const authorization = `-H 'Authorization: apikey ${key}'`;
  const api = `${publicUrl}/API/WorkflowImportQueue`;
  if (permissions.includes('BeginWorkflowImportProcess')) {
    const query = `fileName=members.jsonl&importProcessId=${importProcessId}`;
    return `curl ${authorization} --data-binary @members.jsonl '${api}/CreateBatch?${query}'`;
  }
  return `curl ${authorization} '${api}/${permissions.includes('Configure') ? 'ImportProcesses' : 'Batches'}'`;
}
