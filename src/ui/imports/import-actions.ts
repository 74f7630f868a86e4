import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import type { BatchResource } from '../../batches/batch-resource.js';
import type { BatchAction } from '../../batches/batch-state.js';
import { BatchActionsService } from '../../import-queue/batch-actions.service.js';
import { BatchDeletionService } from '../../import-queue/batch-deletion.service.js';
import { BatchRetryService } from '../../import-queue/batch-retry.service.js';
import { UndoService } from '../../import-queue/undo.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { httpErrors } from '../../platform/http/http.errors.js';
import type { RecordStatus } from '../../records/record-status.js';
import { importPath } from '../layout/links.js';
import { text } from '../texts/catalogue.js';

/** The actions that a page offers, in the order of the buttons. Undo has a page of its own, with its preview. */
const PAGE_ACTIONS = [
  'confirm',
  'abandon',
  'resume',
  'pause',
  'cancel',
  'retryFailed',
  'delete',
] as const satisfies readonly BatchAction[];
type PageAction = (typeof PAGE_ACTIONS)[number];

interface ButtonStyle {
  icon: string;
  primary: boolean;
  danger: boolean;
}

/** A button, and the question that it asks before it acts. */
interface ActionButton extends ButtonStyle {
  /** The id of the element with the question. */
  id: string;
  name: PageAction;
  path: string;
  text: string;
  question: string;
  explanation: string;
  /** The button that closes the question. */
  dismiss: string;
}

const STYLES: Readonly<Record<PageAction, ButtonStyle>> = {
  confirm: { icon: 'check', primary: true, danger: false },
  abandon: { icon: 'x', primary: false, danger: true },
  resume: { icon: 'player-play', primary: true, danger: false },
  pause: { icon: 'player-pause', primary: false, danger: false },
  cancel: { icon: 'ban', primary: false, danger: true },
  retryFailed: { icon: 'refresh', primary: false, danger: false },
  delete: { icon: 'trash', primary: false, danger: true },
};

/** The actions that are possible now, if the principal may perform them. */
export function actionButtons(
  { links, recordCounts, WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }: BatchResource,
  principal: Principal,
): ActionButton[] {
  if (!principal.permissions.includes('ManageImports')) return [];
  // Rows that a check rejected would be rejected again.
  const retriable = recordCounts.failed;
  const isOffered = (action: PageAction) =>
    links[action] !== undefined && (action !== 'retryFailed' || retriable > 0);
  return PAGE_ACTIONS.filter(isOffered).map((name) => ({
    ...STYLES[name],
    id: `confirm-${name}`,
    name,
    path: `${importPath(id)}/${name}`,
    text: text(`actions.${name}.text`, { count: retriable }),
    question: text(`actions.${name}.question`),
    explanation: text(`actions.${name}.explanation`),
    dismiss: name === 'cancel' ? text('actions.keep') : text('common.cancel'),
  }));
}

/** The records that a retry on a page sends: those that passed the checks. */
const PROCESSED: readonly RecordStatus[] = ['failed'];

/** Performs the action of a button. */
@Injectable()
export class ImportActions {
  constructor(
    private readonly batches: BatchActionsService,
    private readonly retries: BatchRetryService,
    private readonly deletions: BatchDeletionService,
    private readonly undos: UndoService,
  ) {}

  /** Answers the id of the batch to show next: of a retry and an undo, the new one. */
  async perform(action: string, id: number, principal: Principal): Promise<number> {
    if (action === 'undo') return (await this.undos.undo(id, principal)).WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    if (!isPageAction(action)) throw noSuchAction(action);
    const batch = await this.batchAfter(action, id, principal);
    return batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  }

  private batchAfter(action: PageAction, id: number, principal: Principal): Promise<BatchResource> {
    if (action === 'retryFailed') return this.retries.retryFailed(id, principal, PROCESSED);
    if (action === 'delete') return this.deletions.delete(id, principal);
    return this.batches.perform(action, id, principal);
  }
}

function isPageAction(action: string): action is PageAction {
  return (PAGE_ACTIONS as readonly string[]).includes(action);
}

function noSuchAction(action: string): DomainError {
  return httpErrors.not_found(text('actions.noSuchAction', { action }));
}
