import { channel } from 'node:diagnostics_channel';

/**
 * What is told to whoever measures (`metrics/`), and costs nothing while nobody listens. What is measured does not
 * know who measures it.
 */
export interface ChunkMeasurement {
  /** What the run of the chunk came to, or `failed`. */
  result: string;
  seconds: number;
}

/** Outcomes that were written; those of a chunk that is rolled back afterwards are told again. */
export type RecordMeasurement = Readonly<Record<string, number>>;

const chunks = channel('workflow-import-queue.chunk');
const records = channel('workflow-import-queue.records');

export function publishChunkMeasurement(chunk: ChunkMeasurement): void {
  if (chunks.hasSubscribers) chunks.publish(chunk);
}

export function publishRecordMeasurement(counts: RecordMeasurement): void {
  if (records.hasSubscribers) records.publish(counts);
}

/** Answers what ends the listening. */
export function onMeasurement(listener: {
  chunk(chunk: ChunkMeasurement): void;
  records(counts: RecordMeasurement): void;
}): () => void {
  const ofChunk = (message: unknown) => listener.chunk(message as ChunkMeasurement);
  const ofRecords = (message: unknown) => listener.records(message as RecordMeasurement);
  chunks.subscribe(ofChunk);
  records.subscribe(ofRecords);
  return () => {
    chunks.unsubscribe(ofChunk);
    records.unsubscribe(ofRecords);
  };
}
