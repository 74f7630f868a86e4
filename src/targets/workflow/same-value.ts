import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '../../common/json.js';

/** Whether two values are the same JSON. `===` comes first and takes 0 and -0 for one, as JSON text does. */
export function isSameValue(left: JsonValue, right: JsonValue): boolean {
  if (left === right) return true;
  const mayBeEqual = typeof left === 'object' && typeof right === 'object' && left !== null && right !== null;
  return mayBeEqual && isDeepStrictEqual(left, right);
}
