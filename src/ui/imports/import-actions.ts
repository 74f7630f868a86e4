import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import type { BatchResource } from '../../batches/batch-resource.js';
import type { BatchAction } from '../../batches/batch-state.js';
import {
  BatchActionsService,
  BatchDeletionService,
  BatchRetryService,
} from '../../import-queue/batch-actions.service.js';
import { UndoService } from '../../import-queue/undo.service.js';
import { DomainError } from '../../platform/errors.js';
import { httpErrors } from '../../platform/http/http.errors.js';
import type { RecordStatus } from '../../records/record-status.js';
import { importPath } from '../layout/navigation.js';
import { text } from '../texts/catalogue.js';

/** The buttons that resolve unknown records, and what each states. */
const RESOLUTIONS = { delivered: 'delivered', notDelivered: 'not_delivered' } as const;

/** The actions that a page offers, in the order of the buttons. Undo has a page of its own, with its preview. */
const PAGE_ACTIONS = [
  'confirm',
  'abandon',
  'resume',
  'pause',
  'cancel',
  'retryFailed',
  'delivered',
  'notDelivered',
  'delete',
] as const satisfies readonly (BatchAction | keyof typeof RESOLUTIONS)[];
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
  delivered: { icon: 'check', primary: false, danger: false },
  notDelivered: { icon: 'x', primary: false, danger: false },
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
    links[isResolution(action) ? 'resolve' : action] !== undefined &&
    (action !== 'retryFailed' || retriable > 0);
  return PAGE_ACTIONS.filter(isOffered).map((name) =>
    actionButton(name, importPath(id), isResolution(name) ? recordCounts.unknown : retriable),
  );
}

/** The buttons that resolve one unknown record of a batch that has ended. */
export function resolutionButtons(path: string): ActionButton[] {
  return PAGE_ACTIONS.filter(isResolution).map((name) => actionButton(name, path, 1));
}

function actionButton(name: PageAction, path: string, count: number): ActionButton {
  return {
    ...STYLES[name],
    id: `confirm-${name}`,
    name,
    path: `${path}/${name}`,
    text: text(`actions.${name}.text`, { count }),
    question: text(`actions.${name}.question`),
    explanation: text(`actions.${name}.explanation`),
    dismiss: name === 'cancel' ? text('actions.keep') : text('common.cancel'),
  };
}

function isResolution(action: string): action is keyof typeof RESOLUTIONS {
  return Object.hasOwn(RESOLUTIONS, action);
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
    if (isResolution(action)) return this.resolve(action, id, null, principal);
    if (!isPageAction(action)) throw noSuchAction(action);
    const batch = await this.batchAfter(action, id, principal);
    return batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  }

  /**
   * Resolves unknown records and answers the id of their batch.
   * @param line only this record; `null`: all
   */
  async resolve(action: string, id: number, line: number | null, principal: Principal): Promise<number> {
    if (!isResolution(action)) throw noSuchAction(action);
    const asked = { outcome: RESOLUTIONS[action], lines: line === null ? null : [line] };
    return (await this.batches.resolve(id, asked, principal)).WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  }

  private batchAfter(
    action: Exclude<PageAction, keyof typeof RESOLUTIONS>,
    id: number,
    principal: Principal,
  ): Promise<BatchResource> {
    if (action === 'retryFailed') return this.retries.retryFailed(id, principal, PROCESSED);
    if (action === 'delete') return this.deletions.delete(id, principal);
    return this.batches.perform(action, id, principal);
  }
}

function isPageAction(action: string): action is Exclude<PageAction, keyof typeof RESOLUTIONS> {
  return (PAGE_ACTIONS as readonly string[]).includes(action);
}

function noSuchAction(action: string): DomainError {
  return httpErrors.not_found(text('actions.noSuchAction', { action }));
}
