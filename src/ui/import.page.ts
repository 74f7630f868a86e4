import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import { AppConfig } from '../config/config.js';
import { DatabaseService } from '../database/database.service.js';
import { isTerminal } from '../import-queue/batch-state.js';
import { RECORD_STATUSES, type RecordCounts, type RecordStatus } from '../import-queue/record-status.js';
import { BatchReader } from '../import-queue/results/batch-reader.js';
import { batchResource } from '../import-queue/results/batch-resource.js';
import { RecordPages } from '../import-queue/results/record-pages.js';
import { statusesOf } from '../import-queue/results/result-set.js';
import { selectErrorGroups } from '../import-queue/results/select-error-groups.js';
import { NotificationsReader } from '../notifications/notifications-reader.js';
import { batchView, type BatchView, paceText } from './batch-view.js';
import { actionButtons } from './action-buttons.js';
import { creatorNames } from '../auth/creator-names.js';
import type { ShowImportDto, ShownRecords } from './dto/show-import.dto.js';
import { formatNumber } from '../common/format.js';
import { mailView } from './mail-view.js';
import { PageRenderer } from './page-renderer.js';
import { recordView } from './record-view.js';
import { recordLabel } from './status-label.js';

const REFRESH_SECONDS = 2;
const RECORDS = 50;

/** One import: how far it is, what became of its records, and why. */
@Injectable()
export class ImportPage {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly notifications: NotificationsReader,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, query: ShowImportDto, principal: Principal): Promise<string> {
    const row = await this.batches.row(id, principal);
    const resource = batchResource(row, this.config.publicUrl);
    const nameOf = await creatorNames(this.database, [row.createdBy]);
    const batch = batchView(resource, nameOf(row.createdBy), row.now);
    const shown = query.show ?? (batch.refused > 0 ? 'refused' : 'all');
    const records = await this.records.page(id, {
      statuses: statusesShown(shown),
      limit: RECORDS,
      after: query.after,
    });
    const errors =
      batch.refused > 0 ? await selectErrorGroups(this.database, id) : { groups: [], examined: 0 };
    return this.pages.render('import', {
      title: batch.fileName,
      // Reading on in the records of an import that runs must not be interrupted.
      refreshSeconds: batch.running && query.after === undefined ? REFRESH_SECONDS : null,
      batch,
      failureReason: row.failureReason,
      pace: isTerminal(row.status) || batch.running ? paceText(resource) : null,
      actions: actionButtons(resource, principal),
      counts: countCards(resource.recordCounts),
      sum: sumText(resource.recordCounts),
      operations: resource.operations,
      ...relatives(row),
      downloads: downloads(batch),
      errors: {
        ...errors,
        groups: errors.groups.map((group) => ({
          ...group,
          samplePath: `${batch.path}?show=refused&after=${this.records.cursorBefore(group.sampleLine)}#records`,
        })),
      },
      errorsAreSome: errors.examined < batch.refused,
      tabs: tabs(resource.recordCounts, batch, shown),
      records: records.rows.map(recordView),
      mails: (await this.notifications.listByBatch(id)).map(mailView),
      firstRecordsPath: query.after === undefined ? null : `${batch.path}?show=${shown}#records`,
      nextRecordsPath:
        records.nextCursor === null
          ? null
          : `${batch.path}?show=${shown}&after=${records.nextCursor}#records`,
    });
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

/** Every state that has records, and always those that everybody looks for. */
function countCards(counts: RecordCounts) {
  const always: readonly string[] = ['pending', 'succeeded', 'failed', 'invalid'];
  return [
    { count: counts.total, text: 'Total', tone: '' },
    ...RECORD_STATUSES.filter((status) => counts[status] > 0 || always.includes(status)).map((status) => {
      const { text, tone } = recordLabel(status);
      return { count: counts[status], text, tone: counts[status] > 0 ? tone : '' };
    }),
  ];
}

/** The promise, checkable by eye: 3 succeeded + 1 failed = 4 records. */
function sumText(counts: RecordCounts): string {
  const terms = RECORD_STATUSES.filter((status) => counts[status] > 0).map(
    (status) => `${formatNumber(counts[status])} ${status}`,
  );
  return `${terms.join(' + ') || '0'} = ${formatNumber(counts.total)} records received`;
}

function relatives({ retryOf, retriedBy }: { retryOf: number | null; retriedBy: number | null }) {
  return {
    parent: retryOf === null ? null : `/imports/${retryOf}`,
    parentText: `import ${retryOf}`,
    child: retriedBy === null ? null : `/imports/${retriedBy}`,
    childText: `import ${retriedBy}`,
  };
}

function downloads(batch: BatchView) {
  const results = `${batch.path}/results`;
  return (
    [
      ['All records', 'all', batch.total],
      ['Succeeded', 'succeeded', batch.good],
      ['Refused', 'failed', batch.refused],
      ['Unprocessed', 'unprocessed', batch.unprocessed],
    ] as const
  ).map(([text, set, count]) => ({
    text,
    count,
    csv: `${results}?set=${set}&format=csv`,
    jsonl: `${results}?set=${set}&format=jsonl`,
  }));
}

function tabs(counts: RecordCounts, batch: BatchView, shown: ShownRecords) {
  const statuses = RECORD_STATUSES.filter((status) => counts[status] > 0 || status === shown);
  return [
    { show: 'refused', text: 'Refused', count: batch.refused },
    { show: 'all', text: 'All', count: batch.total },
    ...statuses.map((status) => ({ show: status, text: recordLabel(status).text, count: counts[status] })),
  ].map((tab) => ({
    ...tab,
    path: `${batch.path}?show=${tab.show}#records`,
    current: tab.show === shown,
  }));
}
