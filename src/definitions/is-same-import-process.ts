import { isDeepStrictEqual } from 'node:util';
import type { ImportProcessInput } from '../import-processes/import-process.js';

/** Whether a version more would differ from the stored one in nothing but the order of members. */
export function isSameImportProcess(wanted: ImportProcessInput, stored: ImportProcessInput): boolean {
  return isDeepStrictEqual(parts(wanted), parts(stored));
}

function parts(process: ImportProcessInput): ImportProcessInput {
  const {
    name,
    description,
    note,
    icon,
    displayOrder,
    status,
    retentionDays,
    ordered,
    target,
    recordSchema,
  } = process;
  return {
    name,
    description,
    note,
    icon,
    displayOrder,
    status,
    retentionDays,
    ordered,
    target,
    recordSchema,
  };
}
