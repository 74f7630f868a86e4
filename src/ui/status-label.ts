import type { BatchStatus } from '../batches/batch-state.js';
import type { DeliveryStatus } from '../delivery/message.js';
import type { RecordStatus } from '../records/record-status.js';
import type { InstanceStatus } from '../workflows/definition.js';
import { text } from './texts/catalogue.js';

/** The colors of a badge; the style sheet defines them. */
type Tone = 'good' | 'bad' | 'busy' | 'quiet';

/** A status as a badge shows it. */
export interface StatusLabel {
  text: string;
  tone: Tone;
}

const BATCH_TONES: Readonly<Record<BatchStatus, Tone>> = {
  receiving: 'busy',
  awaiting_confirmation: 'quiet',
  queued: 'busy',
  in_progress: 'busy',
  paused: 'quiet',
  canceling: 'quiet',
  canceled: 'quiet',
  completed: 'good',
  completed_with_errors: 'bad',
  failed: 'bad',
  validated: 'good',
};

const RECORD_TONES: Readonly<Record<RecordStatus, Tone>> = {
  pending: 'busy',
  invalid: 'bad',
  processing: 'busy',
  succeeded: 'good',
  failed: 'bad',
  skipped: 'quiet',
  canceled: 'quiet',
  unknown: 'bad',
};

const MAIL_TONES: Readonly<Record<DeliveryStatus, Tone>> = {
  pending: 'busy',
  sending: 'busy',
  sent: 'good',
  failed: 'bad',
  not_sent_no_smtp: 'quiet',
};

const INSTANCE_TONES: Readonly<Record<InstanceStatus, Tone>> = {
  incomplete: 'busy',
  completed_successfully: 'good',
  completed_unsuccessfully: 'bad',
};

export function batchLabel(status: BatchStatus): StatusLabel {
  return { text: text(`status.batch.${status}`), tone: BATCH_TONES[status] };
}

export function recordLabel(status: RecordStatus): StatusLabel {
  return { text: text(`status.record.${status}`), tone: RECORD_TONES[status] };
}

export function mailLabel(status: DeliveryStatus): StatusLabel {
  return { text: text(`status.mail.${status}`), tone: MAIL_TONES[status] };
}

export function instanceLabel(status: InstanceStatus): StatusLabel {
  return { text: text(`status.instance.${status}`), tone: INSTANCE_TONES[status] };
}
