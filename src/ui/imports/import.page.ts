import { Injectable } from '@nestjs/common';
import { creatorNames } from '../../auth/creator-names.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import { batchResource } from '../../batches/batch-resource.js';
import type { BatchRow } from '../../batches/batch-rows.sql.js';
import { isTerminal } from '../../batches/batch-state.js';
import { selectChildren } from '../../batches/batches.sql.js';
import { type RecordPage, RecordPages } from '../../batches/record-pages.js';
import { selectErrorGroups } from '../../batches/record-pages.sql.js';
import { NotificationsReader } from '../../notifications/mailbox.js';
import { AppConfig } from '../../platform/config/config.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { type RecordStatus, statusesOf } from '../../records/record-status.js';
import { mailView } from '../mail/mail.page.js';
import { PageRenderer } from '../page-renderer.js';
import { ConfirmationPage } from './confirmation.page.js';
import { actionButtons } from './import-actions.js';
import {
  batchView,
  countCards,
  downloads,
  paceText,
  recordView,
  relatives,
  sumText,
  tabs,
} from './import-view.js';
import type { FollowImportDto, ShowImportDto, ShownRecords } from './imports.dto.js';

const REFRESH_SECONDS = 3;
const RECORDS = 50;
const CHILDREN = 100;
const DAY_MS = 86_400_000;
const NO_RECORDS: RecordPage = { rows: [], nextCursor: null };

/** One import: how far it is, what became of its records, and why. */
@Injectable()
export class ImportPage {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly notifications: NotificationsReader,
    private readonly confirmation: ConfirmationPage,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, query: ShowImportDto, principal: Principal): Promise<string> {
    const row = await this.batches.row(id, principal);
    if (row.status === 'awaiting_confirmation') return this.confirmation.render(id, principal);
    const progress = await this.progress(row);
    const { batch, resource } = progress;
    const shown = query.show ?? (batch.refused > 0 ? 'refused' : 'all');
    const retention = retentionOf(row);
    const isKept = retention === null;
    const records = isKept ? await this.shownRecords(id, query, shown) : NO_RECORDS;
    const errors =
      isKept && batch.refused > 0 ? await selectErrorGroups(this.database, id) : { groups: [], examined: 0 };
    const here = pathOf(batch.path, query, shown);
    return this.pages.render('imports/import', {
      title: batch.fileName,
      section: 'imports',
      // Reading on in the records of an import that runs must not be interrupted.
      refreshSeconds: batch.running && query.after === undefined ? REFRESH_SECONDS : null,
      ...progress,
      ...(isTerminal(row.status) ? {} : livePaths(row, query)),
      failureReason: row.failureReason,
      retention,
      actions: actionButtons(resource, principal),
      ...relatives(row.retryOf, await selectChildren(this.database, id, CHILDREN)),
      downloads: downloads(batch),
      errors: {
        ...errors,
        groups: errors.groups.map(({ code, pattern, ...group }) => {
          const only = new URLSearchParams({ show: 'refused', code, like: pattern });
          return { code, ...group, path: `${batch.path}?${only.toString()}#records` };
        }),
      },
      fixPath:
        batch.refused > 0 && principal.permissions.includes('BeginWorkflowImportProcess')
          ? `${batch.path}/fix`
          : null,
      errorsAreSome: errors.examined < batch.refused,
      onlyCause: query.code === undefined ? null : { code: query.code, pattern: query.like },
      tabs: tabs(resource.recordCounts, batch, shown),
      records: records.rows.map((record) => recordView(record, batch.path)),
      mails: isKept ? (await this.notifications.listByBatch(id)).map(mailView) : [],
      firstRecordsPath: query.after === undefined ? null : here(null),
      nextRecordsPath: records.nextCursor === null ? null : here(records.nextCursor),
    });
  }

  /** What changes while it runs; the whole page when its status is another one, since the rest is out of date then. */
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
    const resource = batchResource(row, this.config.publicUrl);
    const nameOf = await creatorNames(this.database, [row.createdBy]);
    const batch = batchView(resource, nameOf(row.createdBy), row.now);
    return {
      resource,
      batch,
      statusName: row.status,
      pace: isTerminal(row.status) || batch.running ? paceText(resource) : null,
      counts: countCards(resource.recordCounts),
      sum: sumText(resource.recordCounts),
      operations: resource.operations,
    };
  }

  private shownRecords(id: number, query: ShowImportDto, shown: ShownRecords): Promise<RecordPage> {
    const { code, like = '', after } = query;
    if (code !== undefined)
      return this.records.ofErrorGroup(id, { code, pattern: like, limit: RECORDS, after });
    return this.records.page(id, { statuses: statusesShown(shown), limit: RECORDS, after });
  }
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
 * When the records were given up, and how many days after the end: what the retention was then, whatever it is today.
 * `null` while they are kept.
 */
function retentionOf({ expiredAt, finishedAt, createdAt }: BatchRow) {
  if (expiredAt === null) return null;
  const days = Math.floor((expiredAt.getTime() - (finishedAt ?? createdAt).getTime()) / DAY_MS);
  return { at: expiredAt.toISOString(), days, isOneDay: days === 1 };
}

/** Where a page hears that something has changed, and where it then gets what. */
function livePaths({ id, status }: BatchRow, query: ShowImportDto) {
  const follow = new URLSearchParams({ was: status });
  for (const [name, value] of Object.entries(query)) if (value !== undefined) follow.set(name, String(value));
  return {
    eventsPath: `/API/WorkflowImportQueue/Batches/${id}/Events`,
    livePath: `/imports/${id}/live?${follow.toString()}`,
  };
}

/** The same records, from another place on. */
function pathOf(path: string, { code, like }: ShowImportDto, show: ShownRecords) {
  return (after: string | null) => {
    const query = new URLSearchParams({ show });
    for (const [name, value] of Object.entries({ code, like, after })) {
      if (value != null) query.set(name, value);
    }
    return `${path}?${query.toString()}#records`;
  };
}
