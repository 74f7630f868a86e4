import { channel } from 'node:diagnostics_channel';

/**
 * Places in the code where the crash tests (`test/crash`) make this process die or freeze. Each lies between two steps
 * of which only the first may have happened. For tests only.
 */
export const FAULT_POINTS = [
  // Processing a chunk: the transaction has not begun; its records are read; everything is written; everything is
  // committed.
  'chunk.before-lock',
  'chunk.after-load',
  'chunk.before-commit',
  'chunk.after-commit',
  // Writing a chunk into another database: everything is written there; it is committed there, but not here.
  'table.before-target-commit',
  'table.after-target-commit',
  // Sending a record to another system: the receiver has accepted it, but its outcome is not yet written.
  'delivery.before-save',
  // PostgreSQL records the next chunks as queued, but Redis has no job for them.
  'chunk.before-enqueue',
  // Ending a batch: status and owed mail are written; they are committed, but no sender has been woken.
  'batch.before-end-commit',
  'batch.after-end-commit',
  // Creating a batch: all of it is written; it is committed, but neither answered nor queued.
  'intake.before-commit',
  'intake.after-commit',
  // Sending a mail or webhook: it is claimed; the receiver has accepted it, but that is not yet written.
  'message.before-send',
  'message.after-accept',
  // Deleting data past its retention: the lock of the sweep is held.
  'retention.in-sweep',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/**
 * As in `chunk.before-commit:kill@3,message.after-accept:stop`: the fault, and the passage at which it occurs (else the
 * first).
 */
export const FAULTS_PATTERN = new RegExp(
  `^${oneFault()}(,${oneFault()})*$`.replaceAll('.', '\\.').replaceAll('#', '\\d{1,9}'),
);

const SIGNALS = { kill: 'SIGKILL', stop: 'SIGSTOP' } as const;

interface ArmedFault {
  signal: NodeJS.Signals;
  passagesLeft: number;
}

let armed: Map<FaultPoint, ArmedFault> | undefined;

/** Arms the points named in the text, which matches `FAULTS_PATTERN`. An unarmed point costs one look at a variable. */
export function armFaultPoints(faults: string): void {
  armed = new Map(
    faults.split(',').map((fault) => {
      const [point, action, passage] = fault.split(/[:@]/) as [FaultPoint, keyof typeof SIGNALS, string?];
      return [point, { signal: SIGNALS[action], passagesLeft: Number(passage ?? 1) }];
    }),
  );
}

/** Ends or freezes the process here if a test has asked for it; else does nothing. */
export function faultPoint(point: FaultPoint): void {
  const fault = armed?.get(point);
  if (fault === undefined) return;
  fault.passagesLeft -= 1;
  if (fault.passagesLeft === 0) process.kill(process.pid, fault.signal);
}

function oneFault(): string {
  return `(${FAULT_POINTS.join('|')}):(kill|stop)(@#)?`;
}

/**
 * A measurement for subscribers (`metrics/`), which costs nothing without any. The measured code does not know its
 * subscribers.
 */
interface ChunkMeasurement {
  /** The result of the chunk's run, or `failed`. */
  result: string;
  seconds: number;
}

/** Outcomes that were written; those of a chunk that is rolled back afterwards are reported again. */
interface RecordMeasurement {
  importProcessId: number;
  counts: Readonly<Record<string, number>>;
}

interface BatchMeasurement {
  /** The terminal status. */
  status: string;
  /** Since its first chunk began. */
  seconds: number;
}

/** Calls that create a batch, in this process. */
interface AdmissionMeasurement {
  /** Bodies that are received. */
  open: number;
  /** Calls that wait for their turn. */
  waiting: number;
  /** The code of the error with which a call was refused. */
  refused?: string;
}

interface Measurements {
  chunk: ChunkMeasurement;
  records: RecordMeasurement;
  batch: BatchMeasurement;
  admission: AdmissionMeasurement;
}

const CHANNELS = {
  chunk: channel('workflow-import-queue.chunk'),
  records: channel('workflow-import-queue.records'),
  batch: channel('workflow-import-queue.batch'),
  admission: channel('workflow-import-queue.admission'),
} as const;

export function publishMeasurement<Kind extends keyof Measurements>(
  kind: Kind,
  measurement: Measurements[Kind],
): void {
  const subject = CHANNELS[kind];
  if (subject.hasSubscribers) subject.publish(measurement);
}

/** Subscribes the listener. Returns a function that ends the subscription. */
export function onMeasurement(listener: {
  [Kind in keyof Measurements]?: (measurement: Measurements[Kind]) => void;
}): () => void {
  const ends = (Object.keys(CHANNELS) as (keyof Measurements)[]).flatMap((kind) => {
    const listen = listener[kind] as ((measurement: unknown) => void) | undefined;
    if (listen === undefined) return [];
    CHANNELS[kind].subscribe(listen);
    return () => void CHANNELS[kind].unsubscribe(listen);
  });
  return () => ends.forEach((end) => end());
}
