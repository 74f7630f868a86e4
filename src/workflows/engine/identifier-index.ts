import { identifierKey } from '../rows/identifiers.js';
import type { IdentifierValue, ParsedRow } from '../rows/parsed-row.js';
import type { InstanceState } from './instance-state.js';

/** Whether all that may find the row's instance are values that several instances may share. */
export function hasSharedOnly({ identifiers }: ParsedRow): boolean {
  return identifiers.length > 0 && !identifiers.some(({ unique }) => unique);
}

/**
 * The identifiers that find the row's instance: the unique ones, or, where it has none, the shared ones together. Beside
 * a unique one a shared one finds nothing: that others have it too says nothing about which one is meant.
 * Why: ADR 8.
 */
export function decidingIdentifiers(row: ParsedRow): readonly IdentifierValue[] {
  return hasSharedOnly(row) ? row.identifiers : row.identifiers.filter(({ unique }) => unique);
}

/**
 * More instances with one value than this are not told apart: such a value finds several, whatever the rows do.
 * Only values that are not unique can get there.
 */
export const MOST_CARRIERS = 10;

export function isCrowd(carriers: readonly unknown[]): boolean {
  return carriers.length > MOST_CARRIERS;
}

/** Which instances carry an identifier, as the rows so far have left them. */
export class IdentifierIndex {
  private readonly carriers = new Map<string, InstanceState[]>();
  private readonly crowds = new Set<string>();

  /** More carry it than were looked up, and more than a chunk takes it from. */
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
