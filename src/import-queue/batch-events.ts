import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Response } from 'express';
import { Authenticator } from '../auth/authenticator.js';
import type { Principal } from '../auth/principal.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type BatchStatus, isTerminal } from '../batches/batch-state.js';
import { AppConfig } from '../platform/config/config.js';
import { DomainError } from '../platform/errors.js';
import { SharedLimits, type SharedSlots } from '../platform/shared-limits.js';
import { tooManyEventStreams } from './import-queue.errors.js';

/** One server-sent event. The data is JSON on one line, as the format requires. */
function serverSentEvent(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** A comment that keeps proxies from closing an idle connection; clients ignore it. */
const HEARTBEAT = ': still here\n\n';

/** The data of a `progress` event: everything that changes while a batch runs. */
type BatchProgressEvent = Pick<
  BatchResource,
  'WORKFLOW_IMPORT_QUEUE_BATCH_ID' | 'status' | 'recordCounts' | 'operations' | 'progress'
>;

/** The id of the last event of a batch that has ended. A client that reconnects with it needs no more events. */
const END_ID = 'end';

/** Compares a batch with the state that one listener has received, to send only the changes. */
class BatchChanges {
  private status: BatchStatus | undefined;
  private progress = '';

  /** The events for the changes since the last call; empty if nothing changed. */
  of(batch: BatchResource): string {
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID, status, recordCounts, operations, progress } = batch;
    const event: BatchProgressEvent = {
      WORKFLOW_IMPORT_QUEUE_BATCH_ID,
      status,
      recordCounts,
      operations,
      progress,
    };
    let events = '';
    const text = JSON.stringify(event);
    if (text !== this.progress) events += serverSentEvent('progress', event);
    if (status !== this.status) {
      events += serverSentEvent('status', batch, isTerminal(status) ? END_ID : undefined);
    }
    this.progress = text;
    this.status = status;
    return events;
  }
}

const POLL_MS = 1000;
const HEARTBEAT_MS = 15_000;
/** A client with more unread bytes than this misses progress events until it has caught up, but never the end. */
const MAX_UNSENT_BYTES = 256 * 1024;

const NEEDS_A_PERSON: ReadonlySet<string> = new Set(['awaiting_confirmation', 'paused']);

/** A stream ends at most this long after its key was revoked, or its user disabled. */
const CHECK_PRINCIPALS_MS = 4_000;

interface Listener {
  principal: Principal;
  response: Response;
  changes: BatchChanges;
}

interface Watched {
  listeners: Set<Listener>;
  timer: NodeJS.Timeout;
}

/**
 * Sends browsers and clients the progress of batches. It polls PostgreSQL, once per batch regardless of the number of
 * listeners: an event in Redis could be lost, and a listener that relied on it would wait forever.
 * Why: ADR 11.
 */
@Injectable()
export class BatchEvents implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(BatchEvents.name);
  private readonly watched = new Map<number, Watched>();
  private heartbeat: NodeJS.Timeout | undefined;
  private check: NodeJS.Timeout | undefined;
  private slots: SharedSlots | undefined;
  private stopped = false;

  constructor(
    private readonly config: AppConfig,
    private readonly batches: BatchReader,
    private readonly authenticator: Authenticator,
    private readonly shared: SharedLimits,
  ) {}

  onModuleInit(): void {
    this.slots = this.shared.slotsOf('event-streams', this.config.eventStreamsPerKey);
  }

  /**
   * Sends the present state and then each change, until the batch ends, the client leaves, its credentials end or the
   * process stops.
   * @throws DomainError 429 `too_many_event_streams`
   */
  async follow(batchId: number, principal: Principal, response: Response): Promise<void> {
    const batch = await this.batches.read(batchId, principal);
    if (isTerminal(batch.status) && response.req.get('Last-Event-ID') === END_ID) {
      // This status makes an EventSource stop reconnecting.
      response.status(204).end();
      return;
    }
    if (response.req.method !== 'HEAD') await this.takeSlot(principal, response);
    response.set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // Without this header, nginx buffers the events.
      'X-Accel-Buffering': 'no',
    });
    if (response.req.method === 'HEAD') {
      response.end();
      return;
    }
    response.flushHeaders();
    const listener = { principal, response, changes: new BatchChanges() };
    this.send(listener, batch);
    if (!response.writableEnded) this.add(batchId, listener);
  }

  /**
   * Waits until the batch has ended or waits for a person, but for at most these seconds. A caller that already follows
   * as many batches as it may does not wait. Returns whether it waited.
   * @throws DomainError as reading the batch does
   */
  async settled(
    batchId: number,
    principal: Principal,
    seconds: number,
    response: Response,
  ): Promise<boolean> {
    const giveBack = (await this.slots?.take(principal.id)) ?? null;
    if (giveBack === null) return false;
    const deadline = performance.now() + seconds * 1000;
    try {
      for (;;) {
        const { status } = await this.batches.row(batchId, principal);
        const left = deadline - performance.now();
        if (isTerminal(status) || NEEDS_A_PERSON.has(status) || left <= 0) return true;
        if (this.stopped || response.destroyed) return true;
        await delay(Math.min(POLL_MS, left));
      }
    } finally {
      giveBack();
    }
  }

  onModuleDestroy(): void {
    this.stopped = true;
    clearInterval(this.heartbeat);
    clearInterval(this.check);
    for (const [, { listeners, timer }] of this.watched) {
      clearTimeout(timer);
      for (const { response } of listeners) response.end();
    }
    this.watched.clear();
  }

  private async takeSlot({ id }: Principal, response: Response): Promise<void> {
    const giveBack = await this.slots?.take(id);
    if (giveBack === null) throw tooManyEventStreams(this.config.eventStreamsPerKey);
    if (giveBack === undefined) return;
    if (response.destroyed) giveBack();
    else response.once('close', giveBack);
  }

  /** Ends the streams of principals whose credentials no longer allow them. Each principal is looked up once. */
  private async checkPrincipals(): Promise<void> {
    const known = new Map<string, Promise<Principal>>();
    for (const [batchId, { listeners }] of this.watched) {
      for (const { principal, response } of listeners) {
        const found = known.get(principal.id) ?? this.authenticator.authenticate(response.req, false);
        known.set(principal.id, found);
        try {
          await this.batches.row(batchId, await found);
        } catch (error) {
          // While PostgreSQL is away nothing is known, and nothing is sent.
          if (error instanceof DomainError) response.end();
        }
      }
    }
  }

  private add(batchId: number, listener: Listener): void {
    if (this.stopped) {
      listener.response.end();
      return;
    }
    this.heartbeat ??= setInterval(() => this.beat(), HEARTBEAT_MS).unref();
    this.check ??= setInterval(() => void this.checkPrincipals(), CHECK_PRINCIPALS_MS).unref();
    const watched = this.watched.get(batchId) ?? { listeners: new Set(), timer: this.pollSoon(batchId) };
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

  private pollSoon(batchId: number): NodeJS.Timeout {
    return setTimeout(() => void this.poll(batchId), POLL_MS);
  }

  private async poll(batchId: number): Promise<void> {
    try {
      const batch = await this.batches.get(batchId);
      for (const listener of this.watched.get(batchId)?.listeners ?? []) this.send(listener, batch);
    } catch (error) {
      // The listeners stay connected: the next poll may succeed.
      this.logger.debug(`Batch ${batchId} could not be read: ${String(error)}`);
    }
    const watched = this.watched.get(batchId);
    if (watched !== undefined) watched.timer = this.pollSoon(batchId);
  }

  private send({ response, changes }: Listener, batch: BatchResource): void {
    const ended = isTerminal(batch.status);
    if (response.writableLength > MAX_UNSENT_BYTES && !ended) return;
    const events = changes.of(batch);
    if (events !== '') response.write(events);
    if (ended) response.end();
  }

  private beat(): void {
    for (const { listeners } of this.watched.values()) {
      for (const { response } of listeners) if (response.writableLength === 0) response.write(HEARTBEAT);
    }
  }
}
