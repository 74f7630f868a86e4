import type { StoredBehavior } from '../../delivery/message.js';
import { csvLine } from '../../formats/csv/csv-cells.js';
import { INSTANCE_COLUMNS } from '../../formats/csv/csv-columns.js';
import { jsonMembers, memberText } from '../../formats/json/json-members.js';
import type { WorkflowDefinition } from '../definition.js';
import type { LogRow } from '../engine/log.sql.js';
import { escapeOption } from '../rows/values/choices.js';
import type { InstanceRow } from './instance-search.sql.js';

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

/**
 * The columns of an export, which can be imported again as it is where they all are inputs of the action. Those that are
 * not (behaviors set them, or the definition dropped them) are unknown columns of the file like any other: left aside
 * unasked, what somebody changed in them would be lost without a word.
 */
export class InstanceColumns {
  private readonly names: readonly string[];

  /** @param versions every version of the workflow, the current one first: instances may have what it dropped */
  constructor(versions: readonly WorkflowDefinition[]) {
    this.names = [
      ...new Set(versions.flatMap(({ identifiers }) => identifiers.map(({ name }) => name))),
      ...new Set(versions.flatMap(({ attributes }) => attributes.map(({ name }) => name))),
    ];
  }

  get header(): string {
    return csvLine([...this.names, ...INSTANCE_COLUMNS]);
  }

  line(row: InstanceRow): string {
    const members = jsonMembers(row.attributes);
    return csvLine([
      ...this.names.map((name) => attributeCell(members.get(name))),
      String(row.id),
      row.status,
      row.step,
      row.createdAt.toISOString(),
      row.updatedAt.toISOString(),
    ]);
  }
}

/** As the attribute's type reads it: the options of a MultiSelectList are separated by semicolons. */
function attributeCell(json: string | undefined): string | null {
  if (json?.startsWith('[') !== true) return memberText(json);
  return (JSON.parse(json) as unknown[]).map((option) => escapeOption(String(option))).join(';');
}
