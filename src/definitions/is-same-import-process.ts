import { isDeepStrictEqual } from 'node:util';
import type { ImportProcessInput } from '../import-processes/import-process.js';

/** Every part, which the type sees to: the stored one has more than these. */
const PARTS: Record<keyof ImportProcessInput, true> = {
  name: true,
  description: true,
  note: true,
  icon: true,
  displayOrder: true,
  status: true,
  retentionDays: true,
  ordered: true,
  target: true,
  recordSchema: true,
};

/** Whether a version more would differ from the stored one in nothing but the order of members. */
export function isSameImportProcess(wanted: ImportProcessInput, stored: ImportProcessInput): boolean {
  return (Object.keys(PARTS) as (keyof ImportProcessInput)[]).every((part) =>
    isDeepStrictEqual(wanted[part], stored[part]),
  );
}
