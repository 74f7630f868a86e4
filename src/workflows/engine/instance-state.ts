import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { InstanceStatus, PrimaryEffect } from '../definition.js';
import type { IdentifierValue, ParsedRow } from '../rows/parsed-row.js';

/** Whether two values are the same JSON. `===` comes first and takes 0 and -0 for one, as JSON text does. */
function isSameValue(left: JsonValue, right: JsonValue): boolean {
  if (left === right) return true;
  const mayBeEqual = typeof left === 'object' && typeof right === 'object' && left !== null && right !== null;
  return mayBeEqual && isDeepStrictEqual(left, right);
}

/** An instance as it is in the database. */
export interface StoredInstance {
  id: number;
  status: InstanceStatus;
  /** The data entry step it stands at. */
  step: string | null;
  /** Identifiers too, under their own names, as they were written. */
  attributes: JsonObject;
}

/** What an effect changed: each name once, its value before and after, `null` for absent. */
export type Changes = { name: string; before: JsonValue; after: JsonValue }[];

/** Names under which the log tells of status and step. Reserved: no identifier may begin with `:Workflow`. */
const STATUS_CHANGE = ':WorkflowStatus';
const STEP_CHANGE = ':WorkflowStep';

/** An instance as the rows so far have left it. */
export class InstanceState {
  /** `undefined` until one that is to be created is given its id. */
  id: number | undefined;
  status: InstanceStatus;
  readonly attributes: Map<string, JsonValue>;
  /** What rows gave it that it did not carry, by name. */
  readonly newIdentifiers = new Map<string, IdentifierValue>();

  /** @param stored as the database has it; `null` for one that is to be created */
  private constructor(
    readonly stored: StoredInstance | null,
    public step: string | null,
  ) {
    this.id = stored?.id;
    this.status = stored?.status ?? 'incomplete';
    this.attributes = new Map(stored === null ? [] : Object.entries(stored.attributes));
  }

  static of(stored: StoredInstance): InstanceState {
    return new InstanceState(stored, stored.step);
  }

  /** A new instance that stands at the step, with what the row gives it; all of it is a change. */
  static create(row: ParsedRow, step: string | null): { instance: InstanceState; changes: Changes } {
    const instance = new InstanceState(null, step);
    const changes = instance.setValues(row, row.identifiers);
    instance.performPrimary(row.action.primary, []);
    changes.push({ name: STATUS_CHANGE, before: null, after: instance.status });
    if (instance.step !== null) changes.push({ name: STEP_CHANGE, before: null, after: instance.step });
    return { instance, changes };
  }

  get isTerminal(): boolean {
    return this.status !== 'incomplete';
  }

  /**
   * What it may be found by under this name. What the database has is known as it was written; it is found by that,
   * or by that in lower case, as the definition said when it was stored.
   */
  valuesOf(name: string): readonly string[] {
    const given = this.newIdentifiers.get(name);
    return given === undefined ? storedValuesOf(this.stored, name) : [given.value];
  }

  /** Does what the row says and answers what that changed. `newIdentifiers`: those of the row it does not carry. */
  perform(row: ParsedRow, newIdentifiers: readonly IdentifierValue[]): Changes {
    const changes = this.setValues(row, newIdentifiers);
    this.performPrimary(row.action.primary, changes);
    return changes;
  }

  /** From now on it is found by these. */
  carry(newIdentifiers: readonly IdentifierValue[]): void {
    for (const identifier of newIdentifiers) this.newIdentifiers.set(identifier.name, identifier);
  }

  /** Undoes what a row that is refused after all has changed. */
  revert(changes: Changes): void {
    for (const { name, before } of changes) {
      if (name === STATUS_CHANGE) this.status = before as InstanceStatus;
      else if (name === STEP_CHANGE) this.step = before as string | null;
      else this.put(name, before);
    }
  }

  /** Sets one attribute, or clears it; joins the changes of the row. */
  setAttribute(name: string, value: JsonValue, changes: Changes): void {
    const before = this.attributes.get(name) ?? null;
    this.put(name, value);
    note(changes, name, before, value);
  }

  /** A row has each name once, so that nothing needs to be joined. */
  private setValues({ values }: ParsedRow, newIdentifiers: readonly IdentifierValue[]): Changes {
    const changes: Changes = [];
    for (const { name, written } of newIdentifiers) this.setValue(name, written, changes);
    for (const { name, value } of values) this.setValue(name, value, changes);
    return changes;
  }

  private setValue(name: string, value: JsonValue, changes: Changes): void {
    const before = this.attributes.get(name) ?? null;
    if (isSameValue(before, value)) return;
    this.put(name, value);
    changes.push({ name, before, after: value });
  }

  private put(name: string, value: JsonValue): void {
    if (value === null) this.attributes.delete(name);
    else this.attributes.set(name, value);
  }

  /** Each kind changes one thing: a completed instance that is moved to a step is still completed. */
  performPrimary(primary: PrimaryEffect, changes: Changes): void {
    switch (primary.kind) {
      case 'save':
        return;
      case 'moveToStep':
        return this.moveTo(primary.step, changes);
      case 'completeSuccessfully':
        return this.become('completed_successfully', changes);
      case 'completeUnsuccessfully':
        return this.become('completed_unsuccessfully', changes);
      case 'makeIncomplete':
        return this.become('incomplete', changes);
    }
  }

  private become(status: InstanceStatus, changes: Changes): void {
    note(changes, STATUS_CHANGE, this.status, status);
    this.status = status;
  }

  private moveTo(step: string, changes: Changes): void {
    note(changes, STEP_CHANGE, this.step, step);
    this.step = step;
  }
}

/** @throws Error for an instance that is to be created and was given no id yet */
export function idOf({ id }: InstanceState): number {
  if (id === undefined) throw new Error('an instance was given no id');
  return id;
}

/** Several changes of one name within a record are one, from what was first to what is last; or none. */
function note(changes: Changes, name: string, before: JsonValue, after: JsonValue): void {
  if (isSameValue(before, after)) return;
  const place = changes.findIndex((change) => change.name === name);
  const earlier = changes[place];
  if (earlier === undefined) changes.push({ name, before, after });
  else if (isSameValue(earlier.before, after)) changes.splice(place, 1);
  else changes[place] = { ...earlier, after };
}

/** What a stored instance may be found by under this name. */
export function storedValuesOf(stored: StoredInstance | null, name: string): readonly string[] {
  const written = stored?.attributes[name];
  if (typeof written !== 'string') return [];
  const folded = written.toLowerCase();
  return folded === written ? [written] : [written, folded];
}
