import { isUniqueViolation } from '../../platform/database/postgres-errors.js';
import { jsonPointer } from '../../platform/wording.js';
import type { RecordError, RecordOutcome } from '../../records/target.js';
import type { IdentifierValue, ParsedRow } from '../rows/row-reader.js';
import { quoted } from '../rows/values/value-type.js';
import { decidingIdentifiers, hasSharedOnly } from './instance-state.js';

/** The row finds no instance, and the import process creates none. */
export function noMatch(row: ParsedRow): RecordError {
  const { identifiers } = row;
  const conjunction = hasSharedOnly(row) ? ' and ' : ' or ';
  const message =
    identifiers.length === 0
      ? 'the row has no identifier, so it finds nothing, and this import process creates nothing'
      : `nothing has ${named(decidingIdentifiers(row), conjunction)}, and this import process creates nothing`;
  return { code: 'no_match', message };
}

/** The row finds an instance, and the import process changes none. */
export function alreadyExists({ identifiers }: ParsedRow): RecordError {
  const message = `one with ${named(identifiers, ' or ')} already exists, and this import process changes nothing`;
  return { code: 'already_exists', message };
}

export function instanceCompleted({ action }: ParsedRow): RecordError {
  const message = `it is completed, and the actions of the step ${quoted(action.step)} do not change completed ones`;
  return { code: 'instance_completed', message };
}

/** The action belongs to a data entry step, and the instance stands at another one. */
export function instanceElsewhere({ action }: ParsedRow, step: string | null): RecordError {
  const place = step === null ? 'at no step' : `at the step ${quoted(step)}`;
  const message = `it stands ${place}, and the actions of the step ${quoted(action.step)} need one that stands at this step`;
  return { code: 'instance_elsewhere', message };
}

/** The instance was chosen by its id, and the identifier belongs to another instance. */
export function notTheChosen(identifier: IdentifierValue): RecordError {
  return ambiguousMatch(identifier, `another one has ${named([identifier], '')}; correct it or omit it`);
}

export function severalInstances(identifiers: readonly IdentifierValue[]): RecordError {
  const [first] = identifiers;
  if (first === undefined) throw new Error('several instances were found by no identifier');
  return ambiguousMatch(
    first,
    `several have ${named(identifiers, ' and ')}; add an identifier that only one has`,
  );
}

export function differentInstances(first: IdentifierValue, other: IdentifierValue): RecordError {
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
