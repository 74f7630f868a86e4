import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import type { BatchResource } from '../../batches/batch-resource.js';
import type { BatchAction } from '../../batches/batch-state.js';
import { BatchActionsService } from '../../import-queue/batch-actions.service.js';
import { BatchRetryService } from '../../import-queue/batch-retry.service.js';
import { DomainError } from '../../platform/domain-error.js';

/** The actions a page offers, in the order of the buttons. */
const PAGE_ACTIONS = [
  'confirm',
  'abandon',
  'resume',
  'pause',
  'cancel',
  'retryFailed',
] as const satisfies readonly BatchAction[];
type PageAction = (typeof PAGE_ACTIONS)[number];

/** A button, and what is asked before it does anything. */
export interface ActionButton {
  name: PageAction;
  path: string;
  text: string;
  icon: string;
  primary: boolean;
  danger: boolean;
  question: string;
  explanation: string;
}

const BUTTONS: Readonly<Record<PageAction, Omit<ActionButton, 'path' | 'name'>>> = {
  confirm: {
    text: 'Confirm',
    icon: 'check',
    primary: true,
    danger: false,
    question: 'Process the valid rows?',
    explanation:
      'They are processed in the background. Invalid rows are left out; download them, mend them, and send them later.',
  },
  abandon: {
    text: 'Abandon',
    icon: 'x',
    primary: false,
    danger: true,
    question: 'Abandon this file?',
    explanation: 'Nothing of it is processed, and it cannot be taken up again.',
  },
  resume: {
    text: 'Resume',
    icon: 'player-play',
    primary: true,
    danger: false,
    question: 'Resume this import?',
    explanation: 'It goes on where it was paused. What was done is not done again.',
  },
  pause: {
    text: 'Pause',
    icon: 'player-pause',
    primary: false,
    danger: false,
    question: 'Pause this import?',
    explanation: 'What is being processed now is finished; the rest waits until somebody resumes it.',
  },
  cancel: {
    text: 'Cancel',
    icon: 'ban',
    primary: false,
    danger: true,
    question: 'Cancel this import?',
    explanation:
      'What is done stays done. Records not processed yet end as canceled; this cannot be undone, but they can be downloaded and sent again.',
  },
  retryFailed: {
    text: 'Retry refused records',
    icon: 'refresh',
    primary: true,
    danger: false,
    question: 'Retry the refused records?',
    explanation:
      'They are sent again as they are, as a new import, and checked by the file type as it is now. This import does not change.',
  },
};

/** What may be done with the batch now, by somebody who may do it. */
export function actionButtons({ links, WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }: BatchResource, who: Principal) {
  if (!who.permissions.includes('ManageImports')) return [];
  return PAGE_ACTIONS.filter((action) => links[action] !== undefined).map((action): ActionButton => ({
    ...BUTTONS[action],
    name: action,
    path: `/imports/${id}/${action}`,
  }));
}

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
