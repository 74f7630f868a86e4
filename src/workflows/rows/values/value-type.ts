import type { JsonObject, JsonValue } from '../../../common/json.js';
import type { RowSource } from '../row-source.js';
import type { ValueError } from './value-error.js';

/** How the values of one column are read. Made once per attribute, used for every row. */
export interface ValueType {
  /**
   * The canonical value, `null` where nothing is left to store, or why the value is refused. Never given `null` or
   * `''`, which mean the same for every type: clear.
   */
  parse(value: JsonValue, source: RowSource): JsonValue | ValueError;
  /** JSON Schema of what `parse` accepts, as far as JSON Schema can say it: alternatives. */
  readonly schemas: readonly JsonObject[];
  /** The accepted form, for people who fill in a template. */
  readonly form: string;
  /** A value to start from, as CSV text. */
  readonly example: string;
}
