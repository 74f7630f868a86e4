import { Injectable, Logger } from '@nestjs/common';
import type { Response } from 'express';
import { type AuditEntry, writeAudit } from '../../auth/audit-log.sql.js';
import type { Principal } from '../../auth/principal.js';
import type { StoredBehavior } from '../../delivery/message.js';
import { resendBehavior, selectBehavior, selectBehaviors } from '../../delivery/outbox.sql.js';
import { BYTE_ORDER_MARK, csvLine, workbookText } from '../../formats/csv/csv-cells.js';
import { WORKBOOK_TYPE, writeWorkbook, type WrittenRow } from '../../formats/workbook/workbook-writer.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { contentDisposition, downloadName, sendDownload } from '../../platform/http/answers.js';
import { decodeCursor, encodeCursor, HIGHEST_ID } from '../../platform/http/pagination.js';
import { SecretBox } from '../../platform/secret-box.js';
import type { WorkflowDefinition } from '../definition.js';
import { WorkflowAccess } from '../definition/workflow-access.js';
import {
  type StoredWorkflowDefinition,
  WorkflowDefinitionsService,
} from '../definition/workflow-definitions.service.js';
import { selectLog } from '../engine/log.sql.js';
import { behaviorIsBeingSent, behaviorNotFound, workflowInstanceNotFound } from '../workflow.errors.js';
import {
  behaviorsJson,
  type ExportInstancesDto,
  InstanceColumns,
  instanceJson,
  type ListInstancesDto,
  logEntryJson,
  type PageDto,
  pageJson,
} from '../workflows.dto.js';
import {
  type InstanceRow,
  type InstanceSelection,
  readAttribute,
  readIdentifier,
  selectInstancePage,
} from './instance-search.sql.js';

/** JSON text, and its cursor, which the `Link` header repeats. */
export interface JsonPage {
  json: string;
  nextCursor: string | null;
}

const INSTANCES = 'Instances';
const LOG = 'Log';
/** How many of an instance's newest behaviors the response shows; its log has the earlier ones. */
const MOST_BEHAVIORS = 100;
/** Instances per statement of an export. */
const EXPORT_PAGE = 500;

/** Reads the instances of workflows; actions and imports write them. */
@Injectable()
export class InstancesService {
  private readonly logger = new Logger(InstancesService.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly definitions: WorkflowDefinitionsService,
    private readonly access: WorkflowAccess,
    private readonly secrets: SecretBox,
  ) {}

  /** @throws DomainError 404 `workflow_not_found`, 403 `workflow_not_allowed`, 400 `invalid_cursor` */
  async page(name: string, query: ListInstancesDto, principal: Principal): Promise<JsonPage> {
    const workflow = await this.workflow(name, principal);
    const { rows, more } = await selectInstancePage(this.database, {
      ...conditions(workflow, query),
      order: 'newest first',
      after: query.after === undefined ? undefined : decodeCursor(INSTANCES, query.after, HIGHEST_ID)[0],
      limit: query.limit,
    });
    const last = rows.at(-1);
    const nextCursor = more && last !== undefined ? encodeCursor(INSTANCES, [last.id]) : null;
    const items = rows.map((row) => instanceJson(name, row));
    return { json: pageJson(items, nextCursor), nextCursor };
  }

  /**
   * One instance and a page of its log, newest first.
   * @param operation the result of the action that was just performed on the instance
   * @throws DomainError 404 `workflow_not_found` or `workflow_instance_not_found`, 403 `workflow_not_allowed`
   */
  async instance(
    name: string,
    id: number,
    query: PageDto,
    principal: Principal,
    operation?: string,
  ): Promise<JsonPage> {
    const row = await this.row(await this.workflow(name, principal), id);
    const after = query.after === undefined ? undefined : decodeCursor(LOG, query.after, HIGHEST_ID)[0];
    const entries = await selectLog(this.database, id, query.limit + 1, after);
    const shown = entries.slice(0, query.limit);
    const last = shown.at(-1);
    const nextCursor =
      entries.length > shown.length && last !== undefined ? encodeCursor(LOG, [last.id]) : null;
    const log = pageJson(shown.map(logEntryJson), nextCursor);
    const { importProcessIds } = principal;
    const sent = await selectBehaviors(this.database, id, MOST_BEHAVIORS, importProcessIds);
    const behaviors = behaviorsJson(
      sent.map((behavior) => visibleBehavior(behavior, principal, this.secrets)),
    );
    const story = {
      ...(operation !== undefined && { operation: JSON.stringify(operation) }),
      log,
      behaviors,
    };
    return { json: instanceJson(name, row, story), nextCursor };
  }

  /** @throws DomainError 404 `workflow_instance_not_found` */
  async assertExists(workflow: StoredWorkflowDefinition, id: number): Promise<void> {
    await this.row(workflow, id);
  }

  /**
   * Sends a behavior again; returns its new state.
   * @throws DomainError 404 `workflow_not_found`, `workflow_instance_not_found` or `behavior_not_found`, 403
   * `workflow_not_allowed`, 409 `state_conflict` while it is being sent
   */
  async resend(name: string, id: number, behaviorId: number, principal: Principal): Promise<StoredBehavior> {
    await this.row(await this.workflow(name, principal), id);
    const { importProcessIds } = principal;
    const find = () => selectBehavior(this.database, id, behaviorId, importProcessIds);
    if ((await find()) === undefined) throw behaviorNotFound(String(behaviorId));
    const isOwedAgain = await this.database.transaction(async (transaction) => {
      const resent = await resendBehavior(transaction, id, behaviorId);
      if (resent) await writeAudit(transaction, resendEntry(name, id, behaviorId, principal));
      return resent;
    });
    const behavior = await find();
    if (behavior === undefined) throw behaviorNotFound(String(behaviorId));
    if (!isOwedAgain) throw behaviorIsBeingSent(behaviorId);
    return visibleBehavior(behavior, principal, this.secrets);
  }

  /**
   * Reads in pages, with one short statement each. A client that reads slowly therefore holds neither a connection nor
   * an old snapshot; a database cursor would hold both. Each instance that exists throughout is in the file exactly
   * once.
   */
  async export(
    name: string,
    query: ExportInstancesDto,
    principal: Principal,
    response: Response,
  ): Promise<void> {
    const workflow = await this.workflow(name, principal);
    const selection = conditions(workflow, query);
    const disposition = contentDisposition(downloadName(name, 'instances', query.format));
    await writeAudit(this.database, {
      actor: principal.id,
      action: 'instances_exported',
      subject: `workflow:${name}`,
      details: {
        format: query.format,
        filtered:
          selection.identifier !== undefined ||
          selection.attribute !== undefined ||
          selection.status !== undefined,
      },
    });
    const { type, pieces } = await this.exportFile(workflow, query.format);
    const content = (signal: AbortSignal) => pieces(this.pages(selection, signal));
    await sendDownload(response, { type, disposition, content }, this.logger);
  }

  /** How the pages of instances become a file. */
  private async exportFile(
    { definition }: StoredWorkflowDefinition,
    format: ExportInstancesDto['format'],
  ): Promise<ExportFile> {
    if (format === 'jsonl') {
      const type = 'application/jsonl; charset=utf-8';
      return { type, pieces: (pages) => jsonLines(definition.name, pages) };
    }
    const columns = new InstanceColumns(await this.definitions.versions(definition.name));
    if (format === 'csv') {
      return { type: 'text/csv; charset=utf-8; header=present', pieces: (pages) => csvLines(columns, pages) };
    }
    return { type: WORKBOOK_TYPE, pieces: (pages) => workbook(definition, columns, pages) };
  }

  private async *pages(
    selection: Conditions,
    signal: AbortSignal,
  ): AsyncGenerator<InstanceRow[], void, undefined> {
    let after: number | undefined;
    for (let more = true; more;) {
      signal.throwIfAborted();
      const page = await selectInstancePage(this.database, {
        ...selection,
        order: 'oldest first',
        after,
        limit: EXPORT_PAGE,
      });
      if (page.rows.length > 0) yield page.rows;
      after = page.rows.at(-1)?.id;
      more = page.more;
    }
  }

  private async row({ workflowId, definition }: StoredWorkflowDefinition, id: number): Promise<InstanceRow> {
    const selection = { workflowId, id, order: 'newest first', limit: 1 } as const;
    const [row] = (await selectInstancePage(this.database, selection)).rows;
    if (row === undefined) throw workflowInstanceNotFound(definition.name, String(id));
    return row;
  }

  private async workflow(name: string, principal: Principal): Promise<StoredWorkflowDefinition> {
    const workflow = await this.definitions.current(name);
    await this.access.assertReaches(principal, name);
    return workflow;
  }
}

type InstancePages = AsyncIterable<readonly InstanceRow[]>;

interface ExportFile {
  /** Value of Content-Type. */
  type: string;
  pieces: (pages: InstancePages) => AsyncGenerator<string | Buffer, void, undefined>;
}

async function* jsonLines(workflow: string, pages: InstancePages): AsyncGenerator<string, void, undefined> {
  for await (const rows of pages) yield rows.map((row) => `${instanceJson(workflow, row)}\n`).join('');
}

async function* csvLines(
  columns: InstanceColumns,
  pages: InstancePages,
): AsyncGenerator<string, void, undefined> {
  yield BYTE_ORDER_MARK + csvLine(columns.headers);
  for await (const rows of pages) yield rows.map((row) => csvLine(columns.cells(row))).join('');
}

async function* workbook(
  definition: WorkflowDefinition,
  columns: InstanceColumns,
  pages: InstancePages,
): AsyncGenerator<Buffer, void, undefined> {
  async function* written(): AsyncGenerator<WrittenRow[], void, undefined> {
    for await (const rows of pages) {
      yield rows.map((row) => ({
        cells: columns.cells(row).map((text) => text && workbookText(text)),
        marked: [],
      }));
    }
  }
  yield* writeWorkbook({ name: definition.name, columns: columns.sheetColumns(definition), rows: written() });
}

const resendEntry = (
  workflow: string,
  instance: number,
  id: number,
  { id: actor }: Principal,
): AuditEntry => ({
  actor,
  action: 'behavior_resent',
  subject: `workflow:${workflow}`,
  details: { instance, id },
});

/**
 * For many receivers the URL of a webhook is a secret: only callers who may read definitions see more than its host.
 */
function visibleBehavior(
  behavior: StoredBehavior,
  { permissions }: Pick<Principal, 'permissions'>,
  secrets: SecretBox,
): StoredBehavior {
  if (behavior.kind !== 'webhook') return behavior;
  const url = openedUrl(behavior.recipient, secrets);
  if (url === null) return { ...behavior, recipient: 'a webhook' };
  return { ...behavior, recipient: permissions.includes('Configure') ? url : new URL(url).host };
}

/** `null` if its key is gone: the instance and its log can be read all the same. */
function openedUrl(recipient: string, secrets: SecretBox): string | null {
  try {
    const url = secrets.open(recipient);
    return URL.canParse(url) ? url : null;
  } catch {
    return null;
  }
}

type Conditions = Pick<InstanceSelection, 'workflowId' | 'attribute' | 'identifier' | 'status'>;

function conditions(
  { workflowId, definition }: StoredWorkflowDefinition,
  { attribute, identifier, status }: Pick<ListInstancesDto, 'attribute' | 'identifier' | 'status'>,
): Conditions {
  return {
    workflowId,
    status,
    identifier: identifier === undefined ? undefined : readIdentifier(identifier, definition.identifiers),
    attribute: attribute === undefined ? undefined : readAttribute(attribute, definition.attributes),
  };
}
