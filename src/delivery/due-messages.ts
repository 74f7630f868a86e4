import { Injectable } from '@nestjs/common';
import { WorkLoop } from '../platform/loop.js';
import { Outbox } from './outbox.js';

/**
 * Chunks commit behaviors and wake no one, so this look is what finds them. It is one probe per kind of an index that
 * is empty most of the time.
 */
const LOOK_EVERY_MS = 1_000;

/** Wakes due messages again and again, in every worker. */
@Injectable()
export class DueMessages extends WorkLoop {
  constructor(private readonly outbox: Outbox) {
    super({
      intervalMs: LOOK_EVERY_MS,
      begins: 'at once',
      failure: 'due messages could not be looked up',
    });
  }

  protected override pass(): Promise<void> {
    return this.outbox.wakeDue();
  }
}
