import { Injectable } from '@nestjs/common';
import { owns } from '../../auth/access.js';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader, type BatchRow } from '../../batches/batch-reader.js';
import { EXPIRED, isTerminal } from '../../batches/batch-state.js';
import { type RecordPage, RecordPages } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { NotificationsReader } from '../../notifications/mailbox.js';
import { WebhookEndpointsService } from '../../notifications/webhook-endpoints.service.js';
import { DomainError } from '../../platform/errors.js';
import { jsonPointer } from '../../platform/wording.js';
import { type RecordStatus, statusesOf } from '../../records/record-status.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { InstancesService } from '../../workflows/instances/instances.service.js';
import { importPath, instancePath, recordPath, withQuery } from '../layout/navigation.js';
import { mailView } from '../mail.page.js';
import { PageRenderer } from '../page-renderer.js';
import { recordLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { webhookView } from '../webhooks/webhooks.page.js';
import { fieldName } from './column-form.js';
import { ConfirmationPage } from './confirmation.page.js';
import { actionButtons, resolutionButtons } from './import-actions.js';
import {
  announcementText,
  batchView,
  countCards,
  downloads,
  operationsText,
  paceText,
  progressTitle,
  recordError,
  relatives,
  sumText,
  tabs,
  waitingText,
} from './import-view.js';
import {
  type FollowImportDto,
  recordNotFound,
  type ShowImportDto,
  type ShownRecords,
} from './imports.dto.js';
import { recordTable } from './preview-table.js';

const REFRESH_SECONDS = 3;
const RECORDS = 50;
const CHILDREN = 100;
const DAY_MS = 86_400_000;
const NO_RECORDS: RecordPage = { rows: [], nextCursor: null };

/** One import: its progress, the outcome of its records, and why records failed. */
@Injectable()
export class ImportPage {
  constructor(
    private readonly creators: CreatorNames,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly notifications: NotificationsReader,
    private readonly webhooks: WebhookEndpointsService,
    private readonly confirmation: ConfirmationPage,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, query: ShowImportDto, principal: Principal): Promise<string> {
    const row = await this.batches.row(id, principal);
    const isDryRun = row.status === 'validated' && row.expiredAt === null;
    if (row.status === 'awaiting_confirmation' || isDryRun)
      return this.confirmation.render(id, query, principal);
    const progress = await this.progress(row);
    const { batch, resource } = progress;
    const shown = query.show ?? (batch.failed > 0 ? 'refused' : 'all');
    const isKept = row.expiredAt === null;
    const records = isKept ? await this.shownRecords(id, query, shown) : NO_RECORDS;
    const errors =
      isKept && batch.failed > 0 ? await this.records.errorGroups(id) : { groups: [], examined: 0 };
    const here = (after: string | null) => {
      const { code, like } = query;
      return recordsPath(batch.path, { show: shown, code, like, after });
    };
    const actions = actionButtons(resource, principal);
    const { failed, invalid, unknown } = resource.recordCounts;
    const fixPath = failed + invalid > 0 && isKept && mayFix(principal, row) ? `${batch.path}/fix` : null;
    const undoPath =
      resource.links.undo !== undefined && principal.permissions.includes('ManageImports')
        ? `${batch.path}/undo`
        : null;
    return this.pages.render('imports/import', {
      section: 'imports',
      // A reload must not interrupt a person who pages through the records of a running import.
      refreshSeconds: batch.running && query.after === undefined ? REFRESH_SECONDS : null,
      ...progress,
      ...(isTerminal(row.status) ? {} : livePaths(row, query)),
      failureReason: row.failureReason === EXPIRED ? text('import.expired') : row.failureReason,
      waiting: waitingText(resource),
      unknown: unknown > 0 && isKept ? text('import.unknown', { count: unknown }) : null,
      actions,
      fixPath,
      undoPath,
      hasButtons: actions.length > 0 || fixPath !== null || undoPath !== null,
      errors: {
        ...errors,
        groups: errors.groups.map(({ code, pattern, ...group }) => ({
          code,
          ...group,
          path: recordsPath(batch.path, { show: 'refused', code, like: pattern }),
          samplePath: recordPath(id, group.sampleLine),
        })),
      },
      errorsAreSome: errors.examined < batch.failed,
      onlyCause:
        query.code === undefined
          ? null
          : {
              code: query.code,
              pattern: query.like,
              allPath: recordsPath(batch.path, { show: 'refused' }),
            },
      tabs: tabs(resource.recordCounts, batch, shown),
      records: recordTable(resource, records.rows),
      mails: isKept ? (await this.notifications.listByBatch(id)).map(mailView) : [],
      webhooks: isKept ? (await this.webhooks.ofBatch(id)).map((sent) => webhookView(sent, principal)) : [],
      firstRecordsPath: query.after === undefined ? null : here(null),
      nextRecordsPath: records.nextCursor === null ? null : here(records.nextCursor),
    });
  }

  /** The part of the page that changes while the import runs; the whole page once its status has changed. */
  async live(
    id: number,
    { was, ...query }: FollowImportDto,
    principal: Principal,
  ): Promise<{ html: string; isWholePage: boolean }> {
    const row = await this.batches.row(id, principal);
    if (row.status !== was) return { html: await this.render(id, query, principal), isWholePage: true };
    return { html: this.pages.fragment('imports/live', await this.progress(row)), isWholePage: false };
  }

  private async progress(row: BatchRow) {
    const resource = this.batches.resourceOf(row);
    const nameOf = await this.creators.of([row.createdBy]);
    const batch = batchView(resource, nameOf(row.createdBy), row.now);
    return {
      resource,
      batch,
      title: progressTitle(batch),
      announcement: announcementText(batch),
      retention: retentionOf(row),
      ...relatives(row, await this.batches.retriesOf(row.id, CHILDREN)),
      downloads: downloads(batch),
      statusName: row.status,
      pace: isTerminal(row.status) || batch.running ? paceText(resource) : null,
      counts: countCards(resource.recordCounts),
      sum: sumText(resource.recordCounts),
      operations: operationsText(resource),
    };
  }

  private shownRecords(id: number, query: ShowImportDto, shown: ShownRecords): Promise<RecordPage> {
    const { code, like = '', after } = query;
    if (code !== undefined)
      return this.records.ofErrorGroup(id, { code, pattern: like, limit: RECORDS, after });
    return this.records.page(id, { statuses: statusesShown(shown), limit: RECORDS, after });
  }
}

/** The records are checked and sent by the rules of the file type, so that permission to send rows is needed, too. */
function mayFix({ permissions, ...principal }: Principal, batch: BatchRow): boolean {
  if (batch.status === 'receiving' || batch.status === 'validated' || batch.undoOf !== null) return false;
  const mayPrepare = permissions.includes('ManageImports') || owns(principal, batch);
  return permissions.includes('BeginWorkflowImportProcess') && mayPrepare;
}

function statusesShown(shown: ShownRecords): readonly RecordStatus[] | undefined {
  switch (shown) {
    case 'all':
      return undefined;
    case 'refused':
      return statusesOf('failed');
    default:
      return [shown];
  }
}

/**
 * When the records were deleted, and how many days after the end: the retention period of that time, whatever it is
 * today. `null` while the records are kept.
 */
function retentionOf({ expiredAt, finishedAt, createdAt }: BatchRow) {
  if (expiredAt === null) return null;
  const days = Math.floor((expiredAt.getTime() - (finishedAt ?? createdAt).getTime()) / DAY_MS);
  return { at: expiredAt.toISOString(), days };
}

/** The stream that reports changes to the page, and the address of the changed part. */
function livePaths({ id, status }: BatchRow, query: ShowImportDto) {
  return {
    eventsPath: `/API/WorkflowImportQueue/Batches/${id}/Events`,
    livePath: withQuery(`${importPath(id)}/live`, { was: status, ...query }),
  };
}

/** The address of a list of records on the page of an import. */
function recordsPath(path: string, query: Omit<ShowImportDto, 'after'> & { after?: string | null }): string {
  return `${withQuery(path, { ...query })}#records`;
}

/** One record: what was sent, its outcome, and a link to its instance. */
@Injectable()
export class RecordDetailPage {
  constructor(
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly importProcesses: ImportProcessesService,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly instances: InstancesService,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, line: number, principal: Principal): Promise<string> {
    const { permissions } = principal;
    const batch = await this.batches.rowWithRecords(id, principal);
    const record = await this.records.one(id, line);
    if (record === undefined) throw recordNotFound(text('record.notFound.noRecord', { id, line }));
    const { before, after } = await this.records.neighbours(id, line);
    return this.pages.render('imports/record', {
      title: text('record.pageTitle', { line, fileName: batch.fileName }),
      section: 'imports',
      batch: { ...batch, path: importPath(id) },
      record,
      label: recordLabel(record.status),
      error: recordError(record),
      actions:
        record.status === 'unknown' && isTerminal(batch.status) && permissions.includes('ManageImports')
          ? resolutionButtons(recordPath(id, line))
          : [],
      members: membersOf(record.payload, record.errorPointer),
      instance: await this.instanceOf(batch, record.reference),
      previous: before === null ? null : recordPath(id, before),
      next: after === null ? null : recordPath(id, after),
    });
  }

  /** The workflow instance that the record created or changed; `null` for other targets. */
  private async instanceOf(
    { importProcessId, undoneBy, undoOf }: Pick<BatchRow, 'importProcessId' | 'undoneBy' | 'undoOf'>,
    reference: string | null,
  ): Promise<{ path: string; removedBy: string | null; isGone: boolean } | null> {
    if (reference === null) return null;
    const { target } = await this.importProcesses.get(importProcessId);
    if (target.kind !== 'workflow' || typeof target.workflow !== 'string') return null;
    const isGone = !(await this.exists(target.workflow, Number(reference)));
    const undo = undoneBy ?? undoOf;
    return {
      path: instancePath(target.workflow, reference),
      removedBy: isGone && undo !== null ? importPath(undo) : null,
      isGone,
    };
  }

  private async exists(workflow: string, id: number): Promise<boolean> {
    try {
      await this.instances.assertExists(await this.workflows.current(workflow), id);
      return true;
    } catch (error) {
      if (error instanceof DomainError && error.status === 404) return false;
      throw error;
    }
  }
}

function membersOf(payload: string, errorPointer: string | null) {
  return [...jsonMembers(payload)].map(([name, json]) => ({
    name: fieldName(name),
    value: cellText(json),
    wrong: errorPointer === jsonPointer(name),
  }));
}
