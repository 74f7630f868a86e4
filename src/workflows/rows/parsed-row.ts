import type { JsonValue } from '../../platform/json/json-value.js';
import type { RecordError } from '../../records/target.js';
import type { ActionDefinition } from '../definition.js';

/** What a row says of one identifier. */
export interface IdentifierValue {
  /** Begins with a colon, for example `:Email`. */
  name: string;
  /** What it is found by: case-folded where the definition says so. */
  value: string;
  /** As the row has it. */
  written: string;
  /** At most one instance of the workflow may carry `value`. */
  unique: boolean;
}

/** What a row says of one input. */
export interface InputValue {
  name: string;
  value: JsonValue;
}

/** An action and the step it stands in. */
export interface StepAction extends ActionDefinition {
  step: string;
}

/** A row that passed every rule that needs no instance: what its action is to do, on what. */
export interface ParsedRow {
  /** 1-based line of the batch. */
  line: number;
  action: StepAction;
  /** In the definition's order, which is the order in which they are tried; only those the row has. */
  identifiers: readonly IdentifierValue[];
  /**
   * Canonical value of each input the row has; null: clear it. An input that is absent stays as it is. Two rows
   * mean the same value exactly if these are deeply equal. A Numeric is a number, or a decimal string where a
   * number would not hold it.
   */
  values: readonly InputValue[];
}

export type RowResult = { row: ParsedRow; error?: undefined } | { row?: undefined; error: RecordError };
