import { identifierKey, type IdentifierValue, type ParsedRow } from '../rows/row-reader.js';
import type { InstanceState } from './instance-state.js';

/** Whether the row has identifiers and all are shared: several instances can have their values. */
export function hasSharedOnly({ identifiers }: ParsedRow): boolean {
  return identifiers.length > 0 && !identifiers.some(({ unique }) => unique);
}

/**
 * The identifiers that find the row's instance: the unique ones or, if the row has none, all shared ones together. A
 * row with a unique identifier ignores its shared ones, because other instances can have them too.
 * Why: ADR 8.
 */
export function decidingIdentifiers(row: ParsedRow): readonly IdentifierValue[] {
  return hasSharedOnly(row) ? row.identifiers : row.identifiers.filter(({ unique }) => unique);
}

/**
 * If more instances than this have a value, they are not distinguished: the value finds several instances, whatever the
 * rows do. Only shared values can reach this number.
 */
export const MOST_CARRIERS = 10;

export function isCrowd(carriers: readonly unknown[]): boolean {
  return carriers.length > MOST_CARRIERS;
}

/** Tracks which instances carry an identifier after the rows so far. */
export class IdentifierIndex {
  private readonly carriers = new Map<string, InstanceState[]>();
  private readonly crowds = new Set<string>();

  /**
   * Marks a crowd: more instances carry the value than were looked up, and more than one chunk can take the value from.
   */
  addCrowd({ name, value }: Pick<IdentifierValue, 'name' | 'value'>): void {
    this.crowds.add(identifierKey(name, value));
  }

  add({ name, value }: Pick<IdentifierValue, 'name' | 'value'>, instance: InstanceState): void {
    const key = identifierKey(name, value);
    const carriers = this.carriers.get(key);
    if (carriers === undefined) this.carriers.set(key, [instance]);
    else if (!carriers.includes(instance)) carriers.push(instance);
  }

  remove(name: string, value: string, instance: InstanceState): void {
    const key = identifierKey(name, value);
    const carriers = this.carriers.get(key);
    if (carriers === undefined || isCrowd(carriers)) return;
    this.carriers.set(
      key,
      carriers.filter((carrier) => carrier !== instance),
    );
  }

  find({ name, value }: Pick<IdentifierValue, 'name' | 'value'>): readonly InstanceState[] | 'crowd' {
    const key = identifierKey(name, value);
    const carriers = this.carriers.get(key) ?? NONE;
    return this.crowds.has(key) || isCrowd(carriers) ? 'crowd' : carriers;
  }
}

const NONE: readonly InstanceState[] = [];
