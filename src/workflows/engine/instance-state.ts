import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { FieldChange } from '../../records/target.js';
import type { InstanceStatus, PrimaryEffect } from '../definition.js';
import {
  foldedForm,
  identifierKey,
  type IdentifierValue,
  normalForm,
  type ParsedRow,
} from '../rows/row-reader.js';

/** Whether two values are the same JSON. `===` comes first and treats 0 and -0 as equal, as JSON text does. */
export function isSameValue(left: JsonValue, right: JsonValue): boolean {
  if (left === right) return true;
  const mayBeEqual = typeof left === 'object' && typeof right === 'object' && left !== null && right !== null;
  return mayBeEqual && isDeepStrictEqual(left, right);
}

/** An instance as the database stores it. */
export interface StoredInstance {
  id: number;
  status: InstanceStatus;
  /** The data entry step at which the instance stands. */
  step: string | null;
  /** Includes identifiers, under their own names and as written. */
  attributes: JsonObject;
}

/** The changes of an effect: each field once. */
export type Changes = FieldChange[];

/** Names of status and step in the log. They are reserved: no identifier can begin with `:Workflow`. */
export const STATUS_CHANGE = ':WorkflowStatus';
export const STEP_CHANGE = ':WorkflowStep';

const NO_IDENTIFIERS: readonly IdentifierValue[] = [];

/** With more attributes than this, a Map finds one sooner than a search from the beginning. */
const MOST_SEARCHED = 32;

/**
 * The attributes of an instance by name, in the order in which they were set. A Map for each instance would be the
 * largest part of what a chunk holds in memory.
 */
export class Attributes {
  private readonly names: string[];
  private readonly values: JsonValue[];
  /** The place of each name; `null` while there are few. */
  private places: Map<string, number> | null = null;

  constructor(attributes: JsonObject) {
    this.names = Object.keys(attributes);
    this.values = Object.values(attributes);
  }

  get size(): number {
    return this.names.length;
  }

  get(name: string): JsonValue | undefined {
    return this.values[this.placeOf(name)];
  }

  set(name: string, value: JsonValue): void {
    const place = this.placeOf(name);
    if (place === -1) this.add(name, value);
    else this.values[place] = value;
  }

  /** Sets one that does not exist. */
  add(name: string, value: JsonValue): void {
    this.places?.set(name, this.names.length);
    this.names.push(name);
    this.values.push(value);
  }

  delete(name: string): void {
    const place = this.placeOf(name);
    if (place === -1) return;
    this.names.splice(place, 1);
    this.values.splice(place, 1);
    this.places = null;
  }

  forEach(callback: (value: JsonValue, name: string) => void): void {
    for (let place = 0; place < this.names.length; place += 1) {
      callback(this.values[place] ?? null, this.names[place] ?? '');
    }
  }

  private placeOf(name: string): number {
    if (this.names.length <= MOST_SEARCHED) return this.names.indexOf(name);
    this.places ??= new Map(this.names.map((each, place) => [each, place]));
    return this.places.get(name) ?? -1;
  }
}

/** An instance after the rows so far. */
export class InstanceState {
  /** `undefined` until a new instance gets its id. */
  id: number | undefined;
  status: InstanceStatus;
  readonly attributes: Attributes;
  /** Identifiers that rows gave the instance and that it did not carry before: at most one of each name. */
  newIdentifiers: readonly IdentifierValue[] = NO_IDENTIFIERS;

  /** @param stored `null` for a new instance */
  private constructor(
    readonly stored: StoredInstance | null,
    public step: string | null,
    /** The line that created the instance; `null` if it is stored. */
    readonly createdBy: number | null,
  ) {
    this.id = stored?.id;
    this.status = stored?.status ?? 'incomplete';
    this.attributes = new Attributes(stored?.attributes ?? {});
  }

  static of(stored: StoredInstance): InstanceState {
    return new InstanceState(stored, stored.step, null);
  }

  /** A new instance at the step, with the values of the row; all of them are changes. */
  static create(row: ParsedRow, step: string | null): { instance: InstanceState; changes: Changes } {
    const instance = new InstanceState(null, step, row.line);
    const changes: Changes = [];
    for (const { name, written } of row.identifiers) {
      instance.attributes.add(name, written);
      changes.push({ field: name, before: null, after: written });
    }
    for (const change of row.values) {
      if (change.after === null) continue;
      instance.attributes.add(change.field, change.after);
      changes.push(change);
    }
    instance.performPrimary(row.action.primary, []);
    changes.push({ field: STATUS_CHANGE, before: null, after: instance.status });
    if (instance.step !== null) changes.push({ field: STEP_CHANGE, before: null, after: instance.step });
    return { instance, changes };
  }

  get isTerminal(): boolean {
    return this.status !== 'incomplete';
  }

  /**
   * The values under this name that can find the instance. The database keeps each value as written. The instance is
   * found by that value or by its lower case, as the definition required when it was stored.
   */
  valuesOf(name: string): readonly string[] {
    const given = this.newIdentifiers.find((each) => each.name === name);
    return given === undefined ? storedValuesOf(this.stored, name) : [given.value];
  }

  /**
   * Performs the row and returns the changes. `newIdentifiers`: the row's identifiers that the instance does not carry.
   */
  perform(row: ParsedRow, newIdentifiers: readonly IdentifierValue[]): Changes {
    const changes = this.setValues(row, newIdentifiers);
    this.performPrimary(row.action.primary, changes);
    return changes;
  }

  /** From now on these identifiers find the instance. */
  carry(newIdentifiers: readonly IdentifierValue[]): void {
    const others = this.newIdentifiers.filter(
      (known) => !newIdentifiers.some(({ name }) => name === known.name),
    );
    this.newIdentifiers = others.length === 0 ? newIdentifiers : [...others, ...newIdentifiers];
  }

  /** Reverts the changes of a row that is refused after all. */
  revert(changes: Changes): void {
    for (const { field, before } of changes) {
      if (field === STATUS_CHANGE) this.status = before as InstanceStatus;
      else if (field === STEP_CHANGE) this.step = before as string | null;
      else this.put(field, before);
    }
  }

  /** Sets or clears one attribute and adds the change to the changes of the row. */
  setAttribute(name: string, value: JsonValue, changes: Changes): void {
    const before = this.attributes.get(name) ?? null;
    this.put(name, value);
    note(changes, name, before, value);
  }

  /** A row has each name only once, so no changes need to be merged. */
  private setValues({ values }: ParsedRow, newIdentifiers: readonly IdentifierValue[]): Changes {
    const changes: Changes = [];
    for (const { name, written } of newIdentifiers) this.setValue(name, written, changes);
    for (const { field, after } of values) this.setValue(field, after, changes);
    return changes;
  }

  private setValue(name: string, value: JsonValue, changes: Changes): void {
    const before = this.attributes.get(name) ?? null;
    if (isSameValue(before, value)) return;
    this.put(name, value);
    changes.push({ field: name, before, after: value });
  }

  private put(name: string, value: JsonValue): void {
    if (value === null) this.attributes.delete(name);
    else this.attributes.set(name, value);
  }

  performPrimary(primary: PrimaryEffect, changes: Changes): void {
    const { status, step } = afterPrimary(primary, this);
    note(changes, STATUS_CHANGE, this.status, status);
    note(changes, STEP_CHANGE, this.step, step);
    this.status = status;
    this.step = step;
  }
}

/** Where an instance stands. */
export type Standing = Pick<InstanceState, 'status' | 'step'>;

/** Each kind changes one thing: a completed instance that moves to a step stays completed. */
export function afterPrimary(primary: PrimaryEffect, { status, step }: Standing): Standing {
  switch (primary.kind) {
    case 'save':
      return { status, step };
    case 'moveToStep':
      return { status, step: primary.step };
    case 'completeSuccessfully':
      return { status: 'completed_successfully', step };
    case 'completeUnsuccessfully':
      return { status: 'completed_unsuccessfully', step };
    case 'makeIncomplete':
      return { status: 'incomplete', step };
  }
}

/** @throws Error for a new instance without an id */
export function idOf({ id }: Pick<InstanceState, 'id'>): number {
  if (id === undefined) throw new Error('an instance has no id yet');
  return id;
}

/**
 * Merges several changes of one name within a record: from the first value to the last, or no change if these are
 * equal.
 */
function note(changes: Changes, field: string, before: JsonValue, after: JsonValue): void {
  if (isSameValue(before, after)) return;
  const place = changes.findIndex((change) => change.field === field);
  const earlier = changes[place];
  if (earlier === undefined) changes.push({ field, before, after });
  else if (isSameValue(earlier.before, after)) changes.splice(place, 1);
  else changes[place] = { ...earlier, after };
}

/** The values under this name that can find a stored instance. */
export function storedValuesOf(stored: StoredInstance | null, name: string): readonly string[] {
  const written = stored?.attributes[name];
  if (typeof written !== 'string') return [];
  // The value as written is included in case an earlier version stored it and another instance has its normal form
  // (migration).
  const normal = normalForm(written);
  const lower = written.toLowerCase();
  // Most values have only these two forms, which are often the same.
  if (normal === written && normalForm(lower) === lower)
    return lower === written ? [written] : [written, lower];
  const forms = [written, lower, normal, foldedForm(written)];
  return forms.filter((form, place) => forms.indexOf(form) === place);
}

/** Whether the value finds the stored instance. Most values are stored as rows have them, so this is checked first. */
export function isFoundBy(stored: StoredInstance, name: string, value: string): boolean {
  return stored.attributes[name] === value || storedValuesOf(stored, name).includes(value);
}

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
  const { identifiers } = row;
  const isMixed = identifiers.some(({ unique }) => unique) && identifiers.some(({ unique }) => !unique);
  return isMixed ? identifiers.filter(({ unique }) => unique) : identifiers;
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
  addCrowd({ key }: Pick<IdentifierValue, 'key'>): void {
    this.crowds.add(key);
  }

  add({ key }: Pick<IdentifierValue, 'key'>, instance: InstanceState): void {
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

  find({ key }: Pick<IdentifierValue, 'key'>): readonly InstanceState[] | 'crowd' {
    const carriers = this.carriers.get(key) ?? NONE;
    return this.crowds.has(key) || isCrowd(carriers) ? 'crowd' : carriers;
  }
}

const NONE: readonly InstanceState[] = [];
