import type { StoredBehavior } from '../behaviors/sending/sql/select-behaviors.js';
import type { InstanceRow } from './select-instances.js';
import type { LogRow } from './select-log.js';

/** Put together as text, so that attributes and changes are answered exactly as PostgreSQL has them. */
function object(members: readonly (readonly [name: string, json: string])[]): string {
  return `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

/** What the route of one instance answers besides; JSON texts. */
export interface InstanceStory {
  operation?: string;
  log: string;
  behaviors: string;
}

/** An instance as routes and exports answer it. */
export function instanceJson(workflow: string, row: InstanceRow, story?: InstanceStory): string {
  return object([
    ['id', String(row.id)],
    ['workflow', JSON.stringify(workflow)],
    ['status', JSON.stringify(row.status)],
    ['step', JSON.stringify(row.step)],
    ['attributes', row.attributes],
    ['createdAt', JSON.stringify(row.createdAt)],
    ['updatedAt', JSON.stringify(row.updatedAt)],
    ...Object.entries(story ?? {}),
  ]);
}

export function logEntryJson(row: LogRow): string {
  const { id, loggedAt, actor, batchId, line, action } = row;
  return object([
    ...Object.entries({ id, loggedAt, actor, batchId, line, action }).map(
      ([name, value]) => [name, JSON.stringify(value)] as const,
    ),
    ['changes', row.changes],
  ]);
}

export function behaviorsJson(behaviors: readonly StoredBehavior[]): string {
  return object([['items', JSON.stringify(behaviors)]]);
}

export function pageJson(items: readonly string[], nextCursor: string | null): string {
  return object([
    ['items', `[${items.join(',')}]`],
    ['nextCursor', JSON.stringify(nextCursor)],
  ]);
}
