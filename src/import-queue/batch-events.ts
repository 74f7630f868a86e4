import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { Response } from 'express';
import type { Principal } from '../auth/principal.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type BatchStatus, isTerminal } from '../batches/batch-state.js';

/** One server-sent event. The data is one line of JSON, which has no line end of its own. */
function serverSentEvent(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Keeps connections from being taken for dead; clients ignore it. */
const HEARTBEAT = ': still here\n\n';

/** What `progress` tells: all that changes while a batch runs. */
export type BatchProgressEvent = Pick<
  BatchResource,
  'WORKFLOW_IMPORT_QUEUE_BATCH_ID' | 'status' | 'recordCounts' | 'operations' | 'progress'
>;

/** The id of the last event of a batch that has ended. A client that comes back with it needs nothing more. */
const END_ID = 'end';

/** What one listener has been told, and so what is news to it. */
class BatchChanges {
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

const POLL_MS = 1000;
const HEARTBEAT_MS = 15_000;
/** Bytes that a client may have to take before it is told more: it misses a step, not the end. */
const MOST_UNSENT = 256 * 1024;

interface Listener {
  response: Response;
  news: BatchChanges;
}

interface Watched {
  listeners: Set<Listener>;
  timer: NodeJS.Timeout;
}

/**
 * Tells browsers and clients how batches get on. PostgreSQL is asked, once per batch however many listen: an event in
 * Redis could be lost, and who relied on it would wait for ever.
 */
@Injectable()
export class BatchEvents implements OnModuleDestroy {
  private readonly logger = new Logger(BatchEvents.name);
  private readonly watched = new Map<number, Watched>();
  private heartbeat: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly batches: BatchReader) {}

  /** Sends what is, and then what changes, until the batch ends, the client leaves or the process stops. */
  async follow(batchId: number, principal: Principal, response: Response): Promise<void> {
    const batch = await this.batches.get(batchId, principal);
    if (isTerminal(batch.status) && response.req.get('Last-Event-ID') === END_ID) {
      // What makes an EventSource give up coming back.
      response.status(204).end();
      return;
    }
    response.set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // Otherwise nginx keeps the events to itself until it has enough of them.
      'X-Accel-Buffering': 'no',
    });
    if (response.req.method === 'HEAD') {
      response.end();
      return;
    }
    response.flushHeaders();
    const listener = { response, news: new BatchChanges() };
    this.tell(listener, batch);
    if (!response.writableEnded) this.add(batchId, listener);
  }

  onModuleDestroy(): void {
    this.stopped = true;
    clearInterval(this.heartbeat);
    for (const [, { listeners, timer }] of this.watched) {
      clearTimeout(timer);
      for (const { response } of listeners) response.end();
    }
    this.watched.clear();
  }

  private add(batchId: number, listener: Listener): void {
    if (this.stopped) {
      listener.response.end();
      return;
    }
    this.heartbeat ??= setInterval(() => this.beat(), HEARTBEAT_MS).unref();
    const watched = this.watched.get(batchId) ?? { listeners: new Set(), timer: this.askSoon(batchId) };
    this.watched.set(batchId, watched);
    watched.listeners.add(listener);
    listener.response.once('close', () => this.remove(batchId, listener));
  }

  private remove(batchId: number, listener: Listener): void {
    const watched = this.watched.get(batchId);
    watched?.listeners.delete(listener);
    if (watched?.listeners.size !== 0) return;
    clearTimeout(watched.timer);
    this.watched.delete(batchId);
  }

  private askSoon(batchId: number): NodeJS.Timeout {
    return setTimeout(() => void this.ask(batchId), POLL_MS);
  }

  private async ask(batchId: number): Promise<void> {
    try {
      const batch = await this.batches.get(batchId);
      for (const listener of this.watched.get(batchId)?.listeners ?? []) this.tell(listener, batch);
    } catch (error) {
      // Those who listen stay: the next time it may be there again.
      this.logger.debug(`Batch ${batchId} could not be asked after: ${String(error)}`);
    }
    const watched = this.watched.get(batchId);
    if (watched !== undefined) watched.timer = this.askSoon(batchId);
  }

  private tell({ response, news }: Listener, batch: BatchResource): void {
    const ended = isTerminal(batch.status);
    if (response.writableLength > MOST_UNSENT && !ended) return;
    const events = news.of(batch);
    if (events !== '') response.write(events);
    if (ended) response.end();
  }

  private beat(): void {
    for (const { listeners } of this.watched.values()) {
      for (const { response } of listeners) if (response.writableLength === 0) response.write(HEARTBEAT);
    }
  }
}
