import type { JsonObject } from '../../platform/json/json-value.js';
import { RECORD_STATUSES } from '../../records/record-status.js';
import { jsonMembers } from '../json/json-members.js';

/** How a line of one of our own JSON Lines downloads holds the record. */
export interface RecordWrapper {
  /** The member that holds the record. */
  holder: 'record' | 'attributes';
  /** All members of such a line, sorted. */
  members: readonly string[];
  optional: readonly string[];
}

/** A line of the results of a batch, and of an export of instances. */
const WRAPPERS: readonly RecordWrapper[] = [
  {
    holder: 'record',
    members: ['error', 'line', 'operation', 'record', 'reference', 'status'],
    optional: ['originLine'],
  },
  {
    holder: 'attributes',
    members: ['attributes', 'createdAt', 'id', 'status', 'step', 'updatedAt', 'workflow'],
    optional: [],
  },
];

export interface UnwrappedRecord {
  row: JsonObject;
  /** The record exactly as it stands in the line. */
  raw: string;
  /** Its line in the batch whose results were downloaded. */
  originLine: number | null;
}

/** The wrapper of a line that has exactly the members of one of our downloads. */
export function wrapperOf(row: JsonObject): RecordWrapper | undefined {
  return WRAPPERS.find((wrapper) => isWrapped(row, wrapper));
}

/** The record of a line; `null` if the line does not have exactly the members of the wrapper. */
export function unwrapped(row: JsonObject, raw: string, wrapper: RecordWrapper): UnwrappedRecord | null {
  if (!isWrapped(row, wrapper)) return null;
  const text = jsonMembers(raw).get(wrapper.holder) ?? '{}';
  const { line } = row;
  return {
    row: row[wrapper.holder] as JsonObject,
    raw: text,
    originLine: wrapper.holder === 'record' && Number.isSafeInteger(line) ? (line as number) : null,
  };
}

function isWrapped(row: JsonObject, { holder, members, optional }: RecordWrapper): boolean {
  const held = row[holder];
  if (typeof held !== 'object' || held === null || Array.isArray(held)) return false;
  const names = Object.keys(row).filter((name) => !optional.includes(name));
  if (names.length !== members.length || !names.every((name) => members.includes(name))) return false;
  return holder !== 'record' || RECORD_STATUSES.some((status) => status === row.status);
}
