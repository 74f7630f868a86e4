import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { DomainError } from '../../common/domain.error.js';
import { BatchActionsService } from '../../import-queue/batch-actions.service.js';
import { BatchRetryService } from '../../import-queue/batch-retry.service.js';
import { PAGE_ACTIONS, type PageAction } from './action-buttons.js';

/** What the buttons of a page do. */
@Injectable()
export class ImportActions {
  constructor(
    private readonly batches: BatchActionsService,
    private readonly retries: BatchRetryService,
  ) {}

  /** Answers the id of the batch to show next: a retry's is the new one. */
  async perform(action: string, id: number, principal: Principal): Promise<number> {
    if (!isPageAction(action)) throw noSuchAction(action);
    const batch =
      action === 'retryFailed'
        ? await this.retries.retryFailed(id, principal)
        : await this.batches.perform(action, id, principal);
    return batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  }

  /** The upload that another one takes the place of. Where it is confirmed or abandoned already, it stays as it is. */
  async abandonEarlier(id: number, principal: Principal): Promise<void> {
    if (!Number.isSafeInteger(id) || id < 1) return;
    await this.batches.perform('abandon', id, principal).catch((error: unknown) => {
      if (!(error instanceof DomainError)) throw error;
    });
  }
}

function isPageAction(action: string): action is PageAction {
  return (PAGE_ACTIONS as readonly string[]).includes(action);
}

function noSuchAction(action: string): DomainError {
  return new DomainError(404, 'not_found', 'There is no such page', `Nothing here is called "${action}".`);
}
