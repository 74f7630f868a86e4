import type { Principal } from '../auth/principal.js';
import type { BatchAction } from '../import-queue/batch-state.js';
import type { BatchResource } from '../import-queue/results/batch-resource.js';

/** The actions a page offers, in the order of the buttons. */
export const PAGE_ACTIONS = [
  'resume',
  'pause',
  'cancel',
  'retryFailed',
] as const satisfies readonly BatchAction[];
export type PageAction = (typeof PAGE_ACTIONS)[number];

export interface ActionButton {
  path: string;
  text: string;
  tone: '' | 'quiet' | 'bad';
  explanation: string;
}

const BUTTONS: Readonly<Record<PageAction, Omit<ActionButton, 'path'>>> = {
  resume: { text: 'Resume', tone: '', explanation: 'Go on where it was paused' },
  pause: {
    text: 'Pause',
    tone: 'quiet',
    explanation: 'What is being processed is finished; the rest waits until you resume',
  },
  cancel: {
    text: 'Cancel',
    tone: 'bad',
    explanation: 'What is done stays done; records not yet processed end as canceled',
  },
  retryFailed: {
    text: 'Retry refused records',
    tone: '',
    explanation: 'Send the refused records again, as a new import',
  },
};

/** What may be done with the batch now, by somebody who may do it. */
export function actionButtons({ links, WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }: BatchResource, who: Principal) {
  if (!who.permissions.includes('ManageImports')) return [];
  return PAGE_ACTIONS.filter((action) => links[action] !== undefined).map((action): ActionButton => ({
    ...BUTTONS[action],
    path: `/imports/${id}/${action}`,
  }));
}
