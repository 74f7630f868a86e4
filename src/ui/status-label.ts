import type { BatchStatus } from '../batches/batch-state.js';
import type { DeliveryStatus } from '../delivery/message.js';
import type { RecordStatus } from '../records/record-status.js';
import type { InstanceStatus } from '../workflows/definition.js';

/** The colours of a badge; the style sheet says what they look like. */
export type Tone = 'good' | 'bad' | 'busy' | 'quiet';

export interface StatusLabel {
  text: string;
  tone: Tone;
}

const BATCH: Readonly<Record<BatchStatus, StatusLabel>> = {
  receiving: { text: 'Receiving', tone: 'busy' },
  awaiting_confirmation: { text: 'Awaiting confirmation', tone: 'quiet' },
  queued: { text: 'Queued', tone: 'busy' },
  in_progress: { text: 'In progress', tone: 'busy' },
  paused: { text: 'Paused', tone: 'quiet' },
  canceling: { text: 'Canceling', tone: 'quiet' },
  canceled: { text: 'Canceled', tone: 'quiet' },
  completed: { text: 'Completed', tone: 'good' },
  completed_with_errors: { text: 'Completed with errors', tone: 'bad' },
  failed: { text: 'Failed', tone: 'bad' },
};

const RECORD: Readonly<Record<RecordStatus, StatusLabel>> = {
  pending: { text: 'Pending', tone: 'busy' },
  invalid: { text: 'Invalid', tone: 'bad' },
  processing: { text: 'Processing', tone: 'busy' },
  succeeded: { text: 'Succeeded', tone: 'good' },
  failed: { text: 'Failed', tone: 'bad' },
  skipped: { text: 'Skipped', tone: 'quiet' },
  canceled: { text: 'Canceled', tone: 'quiet' },
  unknown: { text: 'Unknown', tone: 'bad' },
};

const MAIL: Readonly<Record<DeliveryStatus, StatusLabel>> = {
  pending: { text: 'To be sent', tone: 'busy' },
  sending: { text: 'Being sent', tone: 'busy' },
  sent: { text: 'Sent', tone: 'good' },
  failed: { text: 'Not delivered', tone: 'bad' },
  not_sent_no_smtp: { text: 'Not sent: no mail server is set', tone: 'quiet' },
};

const INSTANCE: Readonly<Record<InstanceStatus, StatusLabel>> = {
  incomplete: { text: 'Incomplete', tone: 'busy' },
  completed_successfully: { text: 'Completed successfully', tone: 'good' },
  completed_unsuccessfully: { text: 'Completed unsuccessfully', tone: 'bad' },
};

export function instanceLabel(status: InstanceStatus): StatusLabel {
  return INSTANCE[status];
}

export function batchLabel(status: BatchStatus): StatusLabel {
  return BATCH[status];
}

export function recordLabel(status: RecordStatus): StatusLabel {
  return RECORD[status];
}

export function mailLabel(status: DeliveryStatus): StatusLabel {
  return MAIL[status];
}
