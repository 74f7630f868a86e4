import type { JsonValue } from '../../platform/json/json-value.js';
import type { RecordError } from '../../records/target.js';
import type { ActionDefinition } from '../definition.js';

/** One identifier of a row. */
export interface IdentifierValue {
  /** Begins with a colon, for example `:Email`. */
  name: string;
  /** The normalized value that finds the instance. */
  value: string;
  /** As the row has it. */
  written: string;
  /** At most one instance of the workflow can carry `value`. */
  unique: boolean;
}

/** One input of a row. */
export interface InputValue {
  name: string;
  value: JsonValue;
}

/** An action and its step. */
export interface StepAction extends ActionDefinition {
  step: string;
}

/** A row that passed every check that needs no instance: the action to perform, on what, with which values. */
export interface ParsedRow {
  /** 1-based line of the batch. */
  line: number;
  action: StepAction;
  /** Those that the row has, in the definition's order, in which they are tried. */
  identifiers: readonly IdentifierValue[];
  /**
   * The canonical value of each input the row has; null clears it. An absent input stays as it is. Two rows have the same
   * value exactly if these are deeply equal. A Numeric is a number, or a decimal string if a number cannot hold it.
   */
  values: readonly InputValue[];
}

export type RowResult = { row: ParsedRow; error?: undefined } | { row?: undefined; error: RecordError };
