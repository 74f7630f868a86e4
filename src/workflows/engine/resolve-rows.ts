import { isUniqueViolation } from '../../platform/database/postgres-errors.js';
import { jsonPointer } from '../../platform/wording.js';
import type { RecordError, RecordOutcome } from '../../records/target.js';
import {
  type ActionEffect,
  type ActionEffects,
  changeByEffects,
  type OwedBehavior,
  owedBy,
} from '../behaviors/action-effects.js';
import type { WorkflowTargetConfiguration } from '../definition.js';
import type { IdentifierValue, ParsedRow } from '../rows/row-reader.js';
import { quoted } from '../rows/values/value-type.js';
import {
  afterPrimary,
  type Changes,
  decidingIdentifiers,
  hasSharedOnly,
  IdentifierIndex,
  InstanceState,
  isSameValue,
  type StoredInstance,
} from './instance-state.js';

export interface ResolutionRules {
  configuration: Pick<WorkflowTargetConfiguration, 'onNoMatch' | 'onMatch'>;
  /** Whether the step's actions can be performed on completed instances. */
  actsOnTerminal: boolean;
  /** The data entry step of these actions: instances must stand at it. */
  atStep?: string | undefined;
  /** The step of a new instance; `null` if the workflow has no data entry step. */
  firstStep: string | null;
  /** The normalized form of an identifier. */
  fold: (name: string, written: string) => string;
  /** The effects of each action, by its id. */
  effects: ActionEffects;
  /** ISO 8601; `{{now}}` of every template. */
  now: string;
}

/** An instance that carries an identifier of one of the rows; `null`: too many carry it, so they were not looked up. */
export interface Match extends Pick<IdentifierValue, 'name' | 'value' | 'key'> {
  instance: StoredInstance | null;
}

type Found =
  { instance: InstanceState | null; error?: undefined } | { instance?: undefined; error: RecordError };

/** The result of one row. */
export type ResolvedRow =
  | { line: number; result: 'created' | 'updated' | 'unchanged' | 'skipped'; instance: InstanceState }
  | { line: number; result: 'rejected'; instance: InstanceState | null; error: RecordError };

/** One effect of one row: one entry of the log. */
export interface Effect {
  line: number;
  action: string;
  instance: InstanceState;
  changes: Changes;
}

/** The results of the rows and the data to write for them; all in line order. */
export interface Resolution {
  rows: ResolvedRow[];
  created: InstanceState[];
  /** Stored instances whose state has changed. */
  updated: InstanceState[];
  effects: Effect[];
  /** Mails and webhooks to send after the commit. */
  owed: OwedBehavior[];
}

/**
 * Performs rows on the instances they find, in line order: each row sees the effects of earlier rows, as if each were
 * processed alone.
 * @param chosen the only instance that the rows can concern, whether or not they have one of its identifiers
 */
export function resolveRows(
  rows: readonly ParsedRow[],
  matches: readonly Match[],
  rules: ResolutionRules,
  chosen: StoredInstance | null = null,
  earlier: EarlierInstances = NONE_EARLIER,
): Resolution {
  return new RowResolver(matches, rules, chosen, earlier).resolve(rows);
}

/** Instances that earlier rows have changed without writing to the database. */
export interface EarlierInstances {
  /** A stored instance, as the earlier rows left it. */
  byId(id: number): InstanceState | undefined;
  /** The instances that earlier rows gave this identifier. */
  carrying(identifier: IdentifierValue): readonly InstanceState[];
}

const NONE_EARLIER: EarlierInstances = { byId: () => undefined, carrying: () => [] };

/**
 * Whether `resolveRows` would answer `unchanged` for a row that finds the instance by all of its identifiers. It only
 * compares: it takes a fraction of the time.
 */
export function changesNothing(
  { identifiers, values, action }: ParsedRow,
  { status, step, attributes }: StoredInstance,
  { actsOnTerminal, atStep, fold }: ResolutionRules,
): boolean {
  if (status !== 'incomplete' && !actsOnTerminal) return false;
  if (atStep !== undefined && step !== atStep) return false;
  const after = afterPrimary(action.primary, { status, step });
  if (after.status !== status || after.step !== step) return false;
  for (const { name, written, value } of identifiers) {
    const stored = attributes[name];
    if (stored !== written && (typeof stored !== 'string' || fold(name, stored) !== value)) return false;
  }
  for (const { field, after: value } of values) {
    if (!isSameValue(attributes[field] ?? null, value)) return false;
  }
  return true;
}

class RowResolver {
  private readonly index = new IdentifierIndex();
  private readonly created: InstanceState[] = [];
  private readonly updated = new Set<InstanceState>();
  private readonly effects: Effect[] = [];
  private readonly owed: OwedBehavior[] = [];
  private readonly chosen: InstanceState | null;

  constructor(
    matches: readonly Match[],
    private readonly rules: ResolutionRules,
    chosen: StoredInstance | null,
    private readonly earlier: EarlierInstances,
  ) {
    const states = new Map<number, InstanceState>();
    this.chosen = chosen === null ? null : InstanceState.of(chosen);
    if (chosen !== null && this.chosen !== null) states.set(chosen.id, this.chosen);
    for (const match of matches) {
      if (match.instance === null) {
        this.index.addCrowd(match);
        continue;
      }
      const { id } = match.instance;
      const state = states.get(id) ?? earlier.byId(id) ?? InstanceState.of(match.instance);
      states.set(id, state);
      // If an earlier row gave the instance another value, only that value finds it now.
      if (!state.newIdentifiers.some(({ name }) => name === match.name)) this.index.add(match, state);
    }
  }

  resolve(rows: readonly ParsedRow[]): Resolution {
    for (const { identifiers } of rows) {
      for (const identifier of identifiers) {
        for (const state of this.earlier.carrying(identifier)) this.index.add(identifier, state);
      }
    }
    const resolved = rows.map((row) => this.resolveRow(row));
    const { created, effects, owed } = this;
    return { rows: resolved, created, updated: [...this.updated], effects, owed };
  }

  private resolveRow(row: ParsedRow): ResolvedRow {
    const { line } = row;
    const { onNoMatch, onMatch } = this.rules.configuration;
    const { instance, error } = this.find(row);
    if (error !== undefined) return { line, result: 'rejected', instance: null, error };
    if (instance === null) {
      if (onNoMatch === 'reject') return { line, result: 'rejected', instance, error: noMatch(row) };
      return this.create(row);
    }
    if (onMatch === 'skip') return { line, result: 'skipped', instance };
    if (onMatch === 'reject') return { line, result: 'rejected', instance, error: alreadyExists(row) };
    if (instance.isTerminal && !this.rules.actsOnTerminal) {
      return { line, result: 'rejected', instance, error: instanceCompleted(row) };
    }
    const { atStep } = this.rules;
    if (atStep !== undefined && instance.step !== atStep) {
      return { line, result: 'rejected', instance, error: instanceElsewhere(row, instance.step) };
    }
    return this.update(row, instance);
  }

  private find(row: ParsedRow): Found {
    const deciding = decidingIdentifiers(row);
    if (this.chosen !== null) return this.findChosen(this.chosen, deciding);
    return hasSharedOnly(row) ? this.findByShared(deciding) : this.findByUnique(deciding);
  }

  private findChosen(chosen: InstanceState, identifiers: readonly IdentifierValue[]): Found {
    for (const identifier of identifiers.filter(({ unique }) => unique)) {
      const carriers = this.index.find(identifier);
      if (carriers === 'crowd' || carriers.some((carrier) => carrier !== chosen)) {
        return { error: notTheChosen(identifier) };
      }
    }
    return { instance: chosen };
  }

  /** Finds the one instance to which all identifiers with a match point. */
  private findByUnique(identifiers: readonly IdentifierValue[]): Found {
    let found: InstanceState | null = null;
    let foundBy: IdentifierValue | null = null;
    for (const identifier of identifiers) {
      const carriers = this.index.find(identifier);
      // Several instances got the value before the identifier became unique.
      if (carriers === 'crowd' || carriers.length > 1) return { error: severalInstances([identifier]) };
      const [carrier] = carriers;
      if (carrier === undefined) continue;
      if (foundBy !== null && carrier !== found) return { error: differentInstances(foundBy, identifier) };
      found = carrier;
      foundBy = identifier;
    }
    return { instance: found };
  }

  /** Finds the instance that has all of the values, among the carriers of a value that few instances share. */
  private findByShared(identifiers: readonly IdentifierValue[]): Found {
    const carriers = identifiers.map((identifier) => this.index.find(identifier));
    if (carriers.some(({ length }) => length === 0)) return { instance: null };
    const few = carriers.find((each) => each !== 'crowd');
    const fitting = few?.filter((each) => identifiers.every((identifier) => this.carries(each, identifier)));
    if (fitting === undefined || fitting.length > 1) return { error: severalInstances(identifiers) };
    return { instance: fitting[0] ?? null };
  }

  private create(row: ParsedRow): ResolvedRow {
    const { line } = row;
    const { instance, changes } = InstanceState.create(row, this.rules.firstStep);
    const effects = this.effectsOf(row);
    const error = changeByEffects(instance, effects, this.rules.now, changes);
    if (error !== null) return { line, result: 'rejected', instance: null, error };
    instance.carry(row.identifiers);
    for (const identifier of row.identifiers) this.index.add(identifier, instance);
    this.created.push(instance);
    this.wrote(row, instance, changes, effects);
    return { line, result: 'created', instance };
  }

  private update(row: ParsedRow, instance: InstanceState): ResolvedRow {
    const { line } = row;
    const given = row.identifiers.filter((identifier) => !this.carries(instance, identifier));
    const changes = instance.perform(row, given);
    if (changes.length === 0) return { line, result: 'unchanged', instance };
    const effects = this.effectsOf(row);
    const error = changeByEffects(instance, effects, this.rules.now, changes);
    if (error !== null) {
      instance.revert(changes);
      return { line, result: 'rejected', instance, error };
    }
    // The behaviors can revert the changes of the row.
    if (changes.length === 0) return { line, result: 'unchanged', instance };
    for (const identifier of given) {
      for (const value of instance.valuesOf(identifier.name)) {
        this.index.remove(identifier.name, value, instance);
      }
      this.index.add(identifier, instance);
    }
    instance.carry(given);
    if (instance.stored !== null) this.updated.add(instance);
    this.wrote(row, instance, changes, effects);
    return { line, result: 'updated', instance };
  }

  private effectsOf({ action }: ParsedRow): readonly ActionEffect[] {
    return this.rules.effects.get(action.id) ?? NO_EFFECTS;
  }

  private wrote(
    { line, action }: ParsedRow,
    instance: InstanceState,
    changes: Changes,
    effects: readonly ActionEffect[],
  ): void {
    this.effects.push({ line, action: action.name, instance, changes });
    if (effects.length === 0) return;
    for (const behavior of owedBy(instance, effects, this.rules.now, changes, line)) this.owed.push(behavior);
  }

  /** A different spelling with the same normalized form is not a change. */
  private carries(instance: InstanceState, { name, value }: IdentifierValue): boolean {
    const written = instance.attributes.get(name);
    return typeof written === 'string' && this.rules.fold(name, written) === value;
  }
}

const NO_EFFECTS: readonly ActionEffect[] = [];

/** The row finds no instance, and the import process creates none. */
function noMatch(row: ParsedRow): RecordError {
  const { identifiers } = row;
  const conjunction = hasSharedOnly(row) ? ' and ' : ' or ';
  const message =
    identifiers.length === 0
      ? 'the row has no identifier, so it finds nothing, and this import process creates nothing'
      : `nothing has ${named(decidingIdentifiers(row), conjunction)}, and this import process creates nothing`;
  return { code: 'no_match', message };
}

/** The row finds an instance, and the import process changes none. */
function alreadyExists({ identifiers }: ParsedRow): RecordError {
  const message = `one with ${named(identifiers, ' or ')} already exists, and this import process changes nothing`;
  return { code: 'already_exists', message };
}

function instanceCompleted({ action }: ParsedRow): RecordError {
  const message = `it is completed, and the actions of the step ${quoted(action.step)} do not change completed ones`;
  return { code: 'instance_completed', message };
}

/** The action belongs to a data entry step, and the instance stands at another one. */
function instanceElsewhere({ action }: ParsedRow, step: string | null): RecordError {
  const place = step === null ? 'at no step' : `at the step ${quoted(step)}`;
  const message = `it stands ${place}, and the actions of the step ${quoted(action.step)} need one that stands at this step`;
  return { code: 'instance_elsewhere', message };
}

/** The instance was chosen by its id, and the identifier belongs to another instance. */
function notTheChosen(identifier: IdentifierValue): RecordError {
  return ambiguousMatch(identifier, `another one has ${named([identifier], '')}; correct it or omit it`);
}

function severalInstances(identifiers: readonly IdentifierValue[]): RecordError {
  const [first] = identifiers;
  if (first === undefined) throw new Error('several instances were found by no identifier');
  return ambiguousMatch(
    first,
    `several have ${named(identifiers, ' and ')}; add an identifier that only one has`,
  );
}

function differentInstances(first: IdentifierValue, other: IdentifierValue): RecordError {
  return ambiguousMatch(
    other,
    `${named([first], '')} finds one and ${named([other], '')} another; correct the one that is wrong`,
  );
}

function ambiguousMatch({ name }: IdentifierValue, message: string): RecordError {
  return { code: 'ambiguous_match', message, pointer: jsonPointer(name) };
}

function named(identifiers: readonly IdentifierValue[], conjunction: string): string {
  return identifiers.map(({ name, written }) => `${name} ${quoted(written)}`).join(conjunction);
}

/** The outcome of a record that PostgreSQL refuses even when it is written alone. */
export function refusedByDatabase(
  line: number,
  cause: unknown,
): Extract<RecordOutcome, { status: 'failed' }> {
  return { line, status: 'failed', operation: 'rejected', reference: null, error: describe(cause) };
}

function describe(cause: unknown): RecordError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (isUniqueViolation(cause)) {
    const message =
      'other imports kept assigning its identifiers while it was processed; look them up and send it again';
    return { code: 'identifier_taken', message };
  }
  return { code: 'not_storable', message: `the database refused the record: ${reason}` };
}
