import type { StoredBehavior } from '../../delivery/message.js';
import { INSTANCE_COLUMNS } from '../../formats/csv/csv-columns.js';
import type { SheetColumn } from '../../formats/workbook/workbook-writer.js';
import { jsonMembers, memberText } from '../../formats/json/json-members.js';
import type { WorkflowDefinition } from '../definition.js';
import type { LogRow } from '../engine/log.sql.js';
import { escapeOption } from '../../records/rows.js';
import type { InstanceRow } from './instance-search.sql.js';

/** Builds the object as text, so that responses contain attributes and changes exactly as PostgreSQL stores them. */
function object(members: readonly (readonly [name: string, json: string])[]): string {
  return `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

/** Further members of the response about one instance, as JSON texts. */
export interface InstanceStory {
  operation?: string;
  log: string;
  behaviors: string;
}

/** An instance in responses and in exports. */
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
 * The columns of an export. The file can be imported again unchanged if all of them are inputs of the action. Columns
 * that are not (because behaviors set them, or the definition dropped them) are unknown columns like any other: if an
 * upload ignored them, edits in them would be lost silently.
 */
export class InstanceColumns {
  private readonly names: readonly string[];

  /**
   * @param versions every version of the workflow, the current one first: instances can have attributes that it dropped
   */
  constructor(versions: readonly WorkflowDefinition[]) {
    this.names = [
      ...new Set(versions.flatMap(({ identifiers }) => identifiers.map(({ name }) => name))),
      ...new Set(versions.flatMap(({ attributes }) => attributes.map(({ name }) => name))),
    ];
  }

  get headers(): string[] {
    return [...this.names, ...INSTANCE_COLUMNS];
  }

  /** The cells of one instance; `null` where it lacks the attribute. */
  cells(row: InstanceRow): (string | null)[] {
    const members = jsonMembers(row.attributes);
    return [
      ...this.names.map((name) => attributeCell(members.get(name))),
      String(row.id),
      row.status,
      row.step,
      row.createdAt.toISOString(),
      row.updatedAt.toISOString(),
    ];
  }

  /** The columns of a workbook: dates and numbers as such, where the current definition has them. */
  sheetColumns(definition: WorkflowDefinition): SheetColumn[] {
    const types = new Map(definition.attributes.map(({ name, type }) => [name, type]));
    return this.headers.map((header) => ({ header, kind: SHEET_KINDS[types.get(header) ?? ''] ?? 'text' }));
  }
}

const SHEET_KINDS: Readonly<Record<string, SheetColumn['kind']>> = {
  Numeric: 'number',
  Date: 'date',
  Boolean: 'boolean',
};

/** Writes the form that the attribute's type reads: semicolons separate the options of a MultiSelectList. */
function attributeCell(json: string | undefined): string | null {
  if (json?.startsWith('[') !== true) return memberText(json);
  return (JSON.parse(json) as unknown[]).map((option) => escapeOption(String(option))).join(';');
}
