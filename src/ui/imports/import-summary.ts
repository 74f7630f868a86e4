import { counted, formatNumber } from '../../common/format.js';
import { RECORD_STATUSES, type RecordCounts } from '../../import-queue/record-status.js';
import type { BatchView } from './batch-view.js';
import type { ShownRecords } from './dto/show-import.dto.js';
import { recordLabel } from '../status-label.js';

/** Every state that has records, and always those that everybody looks for. */
export function countCards(counts: RecordCounts) {
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
export function sumText(counts: RecordCounts): string {
  const terms = RECORD_STATUSES.filter((status) => counts[status] > 0).map(
    (status) => `${formatNumber(counts[status])} ${status}`,
  );
  return `${terms.join(' + ') || '0'} = ${counted(counts.total, 'record')} received`;
}

/** Imports that this one sends records of again, or that send records of this one again. */
export function relatives(retryOf: number | null, children: readonly number[]) {
  const linked = (id: number) => ({ path: `/imports/${id}`, text: `import ${id}` });
  return { parent: retryOf === null ? null : linked(retryOf), children: children.map(linked) };
}

export function downloads(batch: BatchView) {
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

export function tabs(counts: RecordCounts, batch: BatchView, shown: ShownRecords) {
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
