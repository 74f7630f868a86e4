import { Injectable } from '@nestjs/common';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import {
  type PreviewedUndoRecord,
  UNDO_RESULTS,
  type UndoResult,
  UndoService,
  type UndoSummary,
} from '../../import-queue/undo.service.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import { excerpt } from '../../platform/wording.js';
import type { FieldChange } from '../../records/target.js';
import { importPath, recordPath, withQuery } from '../layout/navigation.js';
import { PageRenderer } from '../page-renderer.js';
import type { StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { batchView } from './import-view.js';
import { columnName } from './preview-table.js';

const ROWS = 50;
const VALUE = 80;
const MESSAGE = 300;

const TONES: Readonly<Record<UndoResult, StatusLabel['tone']>> = {
  reverted: 'good',
  kept: 'quiet',
  failed: 'bad',
  unchanged: 'quiet',
};

export interface UndoPageQuery {
  operation?: UndoResult;
  after?: string;
}

/** What an undo would do, row by row, and the button that starts it. */
@Injectable()
export class UndoPage {
  constructor(
    private readonly batches: BatchReader,
    private readonly creators: CreatorNames,
    private readonly undos: UndoService,
    private readonly pages: PageRenderer,
  ) {}

  /** @throws DomainError as `UndoService.page` does */
  async render(id: number, { operation, after }: UndoPageQuery, principal: Principal): Promise<string> {
    const summary = await this.undos.summary(id, principal);
    const { items, nextCursor } = await this.undos.page(id, { operation, limit: ROWS, after }, principal);
    const row = await this.batches.row(id, principal);
    const nameOf = await this.creators.of([row.createdBy]);
    const batch = batchView(this.batches.resourceOf(row), nameOf(row.createdBy), row.now);
    const path = `${importPath(id)}/undo`;
    const rowsPath = (query: UndoPageQuery) => `${withQuery(path, { ...query })}#rows`;
    return this.pages.render('imports/undo', {
      title: text('undo.title', { fileName: batch.fileName }),
      section: 'imports',
      batch,
      path,
      isUndo: row.undoOf !== null,
      counts: shownResults(summary).map((result) => ({
        count: summary.counts[result],
        text: text(`undo.counts.${result}`),
        tone: TONES[result],
      })),
      canStart: summary.isPartial || summary.counts.reverted > 0,
      isPartial: summary.isPartial,
      examined: total(summary),
      sent: summary.sent.mails + summary.sent.webhooks === 0 ? null : summary.sent,
      tabs: [undefined, ...shownResults(summary)].map((result) => ({
        text: text(`undo.tabs.${result ?? 'all'}`),
        count: result === undefined ? total(summary) : summary.counts[result],
        path: rowsPath({ operation: result }),
        current: result === operation,
      })),
      rows: items.map((item) => rowView(item, id)),
      firstPath: after === undefined ? null : rowsPath({ operation }),
      nextPath: nextCursor === null ? null : rowsPath({ operation, after: nextCursor }),
    });
  }
}

/** `unchanged` occurs only after an undo that was canceled. */
function shownResults({ counts }: UndoSummary): UndoResult[] {
  return UNDO_RESULTS.filter((result) => result !== 'unchanged' || counts.unchanged > 0);
}

function total({ counts }: UndoSummary): number {
  return counts.reverted + counts.kept + counts.failed + counts.unchanged;
}

function rowView({ line, row, operation, changes, error, sent }: PreviewedUndoRecord, id: number) {
  return {
    path: recordPath(id, line),
    row,
    label: { text: text(`undo.tabs.${operation}`), tone: TONES[operation] },
    message: error === null ? null : excerpt(error.message, MESSAGE),
    deleted: isDeletion(changes)
      ? changes.flatMap(({ before }) => valueText(before) ?? []).join(' · ')
      : null,
    changes: changes.map(({ field, before, after }) => ({
      field: columnName(field),
      before: valueText(before),
      after: valueText(after),
    })),
    sent: sent.map(({ kind, recipient, sentAt }) => ({ isMail: kind === 'mail', recipient, sentAt })),
  };
}

/** Whether the thing that the record created is deleted: nothing of it is left, not even its status. */
function isDeletion(changes: readonly FieldChange[]): boolean {
  return (
    changes.some(({ field }) => field === ':WorkflowStatus') && changes.every(({ after }) => after === null)
  );
}

function valueText(value: JsonValue): string | null {
  if (value === null) return null;
  return excerpt(typeof value === 'string' ? value : JSON.stringify(value), VALUE);
}
