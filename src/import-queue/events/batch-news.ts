import { isTerminal, type BatchStatus } from '../batch-state.js';
import type { BatchResource } from '../results/batch-resource.js';
import { serverSentEvent } from './sse.js';

/** What `progress` tells: all that changes while a batch runs. */
export type BatchProgressEvent = Pick<
  BatchResource,
  'WORKFLOW_IMPORT_QUEUE_BATCH_ID' | 'status' | 'recordCounts' | 'operations' | 'progress'
>;

/** The id of the last event of a batch that has ended. A client that comes back with it needs nothing more. */
export const END_ID = 'end';

/** What one listener has been told, and so what is news to it. */
export class BatchNews {
  private status: BatchStatus | undefined;
  private progress = '';

  /** The events for what changed since; empty where nothing did. */
  of(batch: BatchResource): string {
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID, status, recordCounts, operations, progress } = batch;
    const event: BatchProgressEvent = {
      WORKFLOW_IMPORT_QUEUE_BATCH_ID,
      status,
      recordCounts,
      operations,
      progress,
    };
    let news = '';
    const text = JSON.stringify(event);
    if (text !== this.progress) news += serverSentEvent('progress', event);
    if (status !== this.status) {
      news += serverSentEvent('status', batch, isTerminal(status) ? END_ID : undefined);
    }
    this.progress = text;
    this.status = status;
    return news;
  }
}
