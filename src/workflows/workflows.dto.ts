import { Injectable } from '@nestjs/common';
import { ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import type { StoredBehavior } from '../delivery/message.js';
import { INSTANCE_COLUMNS } from '../formats/csv/csv-columns.js';
import { jsonMembers, memberText } from '../formats/json/json-members.js';
import type { SheetColumn } from '../formats/workbook/workbook-writer.js';
import {
  ANY_OBJECT,
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  pageSchema,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { Integer, PathIdPipe } from '../platform/http/validation.js';
import { escapeOption } from '../records/rows.js';
import {
  DEFINITION_SCHEMA,
  INSTANCE_STATUSES,
  type InstanceStatus,
  type WorkflowDefinition,
} from './definition.js';
import type { WorkflowSummary } from './definition/workflow-definitions.service.js';
import type { LogRow } from './engine/log.sql.js';
import type { InstanceRow } from './instances/instance-search.sql.js';
import { behaviorNotFound, workflowInstanceNotFound } from './workflow.errors.js';

/** The id of an instance in a path. */
@Injectable()
export class InstanceIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return workflowInstanceNotFound(undefined, id);
  }
}

/** The id of a behavior in a path. */
@Injectable()
export class BehaviorIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return behaviorNotFound(id);
  }
}

/** One page of a list. */
export class PageDto {
  @ApiPropertyOptional({
    description: 'The most items of a page. A page with very large items ends earlier and has a nextCursor.',
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 200' })
  @Min(1, { message: 'limit must be an integer from 1 to 200' })
  @Max(200, { message: 'limit must be an integer from 1 to 200' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;
}

/** The query of `GET /API/Workflows/{name}/Instances`. */
export class ListInstancesDto extends PageDto {
  @ApiPropertyOptional({
    description: 'Name of an identifier, a colon, and its value.',
    example: ':Email:ada@example.org',
  })
  @IsOptional()
  @Length(3, 2000, {
    message: 'identifier must be a name, a colon and a value, such as :Email:ada@example.org',
  })
  @Matches(/^[^\0]*$/, { message: 'identifier must not contain the character U+0000' })
  identifier?: string;

  @ApiPropertyOptional({
    description:
      'Name of an attribute, a colon, and a value as in a CSV cell. Without a value after the colon: the instances ' +
      'that have none. There is no index: a large workflow is read instance by instance until the page is full.',
    example: 'Level:Fellow',
  })
  @IsOptional()
  @Length(2, 2000, { message: 'attribute must be a name, a colon and a value, such as Level:Fellow' })
  @Matches(/^[^\0]*$/, { message: 'attribute must not contain the character U+0000' })
  attribute?: string;

  @ApiPropertyOptional({ enum: INSTANCE_STATUSES })
  @IsOptional()
  @IsIn(INSTANCE_STATUSES, { message: `status must be one of ${INSTANCE_STATUSES.join(', ')}` })
  status?: InstanceStatus;
}

/** The query of `GET /API/Workflows/{name}/Instances/Export`. */
export class ExportInstancesDto extends PickType(ListInstancesDto, [
  'attribute',
  'identifier',
  'status',
] as const) {
  @ApiPropertyOptional({ enum: ['jsonl', 'csv', 'xlsx'], default: 'jsonl' })
  @IsOptional()
  @IsIn(['jsonl', 'csv', 'xlsx'], { message: 'format must be jsonl, csv or xlsx' })
  format: 'jsonl' | 'csv' | 'xlsx' = 'jsonl';
}

const instance = {
  id: INTEGER,
  workflow: TEXT,
  status: choice(...INSTANCE_STATUSES),
  step: says('The data entry step it stands at.', orNull(TEXT)),
  attributes: says('Attributes by name, identifiers by theirs (`:Email`).', ANY_OBJECT),
  createdAt: TIME,
  updatedAt: TIME,
};
type Instance = InstanceRow & { workflow: string };

const story = {
  ...instance,
  log: pageSchema(refTo('LogEntry')),
  behaviors: says('The newest 100.', itemsOf(refTo('Behavior'))),
};
type Story = Instance & { log: unknown; behaviors: unknown };

/** The responses of the routes about workflows. */
export const WORKFLOW_SCHEMAS: Readonly<Record<string, Schema>> = {
  Workflow: {
    ...DEFINITION_SCHEMA,
    required: [...(DEFINITION_SCHEMA.required as string[]), 'version'],
  },
  WorkflowList: itemsOf(
    objectOf<WorkflowSummary>({ name: TEXT, title: TEXT, entityType: TEXT, version: INTEGER }),
  ),
  Instance: objectOf<Instance>(instance),
  InstancePage: pageSchema(refTo('Instance')),
  InstanceStory: objectOf<Story>(story),
  PerformedAction: objectOf<Partial<Omit<Story, 'id'>> & Pick<Story, 'id'> & { operation: string }>(
    { ...story, operation: choice('updated', 'unchanged') },
    ...(['workflow', 'status', 'step', 'attributes', 'createdAt', 'updatedAt', 'log', 'behaviors'] as const),
  ),
  LogEntry: objectOf<LogRow>({
    id: INTEGER,
    loggedAt: TIME,
    actor: TEXT,
    batchId: orNull(INTEGER),
    line: orNull(INTEGER),
    action: TEXT,
    changes: says('[before, after] by attribute.', {
      type: 'object',
      additionalProperties: { ...arrayOf({}), minItems: 2, maxItems: 2 },
    }),
  }),
  Behavior: objectOf<StoredBehavior>({
    id: INTEGER,
    kind: choice('sendEmail', 'webhook'),
    action: TEXT,
    batchId: orNull(INTEGER),
    line: orNull(INTEGER),
    recipient: says(
      'An e-mail address or a URL; of a webhook only the host without the permission Configure.',
      TEXT,
    ),
    subject: orNull(TEXT),
    status: choice('pending', 'sending', 'sent', 'failed', 'not_sent_no_smtp'),
    attempts: INTEGER,
    lastError: orNull(TEXT),
    createdAt: TIME,
    nextAttemptAt: says('null if it will not be tried again.', orNull(TIME)),
    sentAt: orNull(TIME),
  }),
};

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
