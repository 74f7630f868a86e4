import { ValidateBy } from 'class-validator';
import type { ProblemDetail } from '../platform/domain-error.js';
import { jsonPointer } from '../platform/wording.js';
import { type Permission, UNLIMITED_PERMISSIONS } from './principal.js';

/** What keys and users need to know of import processes, which belong to a layer above; that layer provides it. */
export abstract class KnownImportProcesses {
  /**
   * The ids that no import process has, in the order given. The id of a deleted import process is among them: a key for
   * it could never be used. Existing keys keep such an id, and with it their limit; ids are never reused, so the id
   * admits no one.
   */
  abstract unknownOf(ids: readonly number[]): Promise<number[]>;
}

/** Everything wrong with a limit to import processes for someone with these permissions; `null` means no limit. */
export async function problemsOfLimit(
  known: KnownImportProcesses,
  permissions: readonly Permission[],
  ids: readonly number[] | null,
): Promise<ProblemDetail[]> {
  if (ids === null) return [];
  // With these, a limited key or user could change what keys and workflows of other import processes do.
  const unlimited = UNLIMITED_PERMISSIONS.filter((permission) => permissions.includes(permission));
  return [
    ...unlimited.map((permission) => ({
      pointer: '/importProcessIds',
      code: 'invalid_value',
      message: `${permission} cannot be limited to import processes`,
    })),
    ...(await known.unknownOf(ids)).map((id) => ({
      pointer: jsonPointer('importProcessIds', ids.indexOf(id)),
      code: 'import_process_not_found',
      message: `there is no import process ${id}`,
    })),
  ];
}

interface SetRule {
  most: number;
  /** The allowed items, in words. */
  items: string;
  allows: (item: unknown) => boolean;
}

function problemOfSet(value: unknown, { most, items, allows }: SetRule): string | null {
  if (!Array.isArray(value)) return 'must be an array';
  if (value.length === 0) return 'must name at least one; leave it out to allow all';
  if (value.length > most) return `must name at most ${most}`;
  if (!value.every(allows)) return `must be ${items}`;
  return new Set(value).size < value.length ? 'must not name one twice' : null;
}

/**
 * A list without duplicates. The length is checked first: class-validator's own rules would run on lists of any length,
 * and ArrayUnique compares each pair of items.
 */
export function IsSetOf(rule: SetRule): PropertyDecorator {
  return ValidateBy({
    name: 'isSetOf',
    validator: {
      validate: (value: unknown) => problemOfSet(value, rule) === null,
      defaultMessage: (given) => `$property ${problemOfSet(given?.value, rule)}`,
    },
  });
}

/** Ids of the only import processes that a key or user may use. */
export const IsImportProcessLimit = () =>
  IsSetOf({
    most: 1000,
    items: 'positive integers',
    allows: (item) => Number.isSafeInteger(item) && Number(item) > 0,
  });
