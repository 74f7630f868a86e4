import { invalidParameters } from '../../common/http/invalid-request.js';
import type { JsonValue } from '../../common/json.js';
import { nearestName } from '../../common/nearest-name.js';
import type { AttributeDefinition } from '../definition.js';
import { RowSource } from '../rows/row-source.js';
import { ValueError } from '../rows/values/value-error.js';
import { valueTypeOf } from '../rows/values/value-type-of.js';

/** An attribute and the value that instances are to have; `null`: those that have none. */
export interface AttributeValue {
  name: string;
  value: JsonValue;
}

/**
 * `Level:Fellow`: an attribute's name, a colon, and a value as a cell of a CSV file would have it. Of several names
 * that the text begins with, the longest is meant. A MultiSelectList has the value if it has each of its options.
 * @throws DomainError 400 `invalid_parameter`
 */
export function readAttribute(text: string, attributes: readonly AttributeDefinition[]): AttributeValue {
  const [meant] = attributes
    .filter(({ name }) => text.startsWith(`${name}:`))
    .sort((a, b) => b.name.length - a.name.length);
  if (meant === undefined) {
    const names = attributes.map(({ name }) => name);
    const nearest = nearestName(text.slice(0, text.lastIndexOf(':')), names);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw refused(`attribute must be the name of an attribute, a colon and a value${hint}`);
  }
  const { name } = meant;
  const written = text.slice(name.length + 1);
  if (written === '') return { name, value: null };
  const value = valueTypeOf(meant).parse(written, new RowSource(JSON.stringify({ [name]: written })));
  if (value instanceof ValueError) {
    throw refused(`attribute: "${name}" ${value.rule}${value.hint}`.replace(/\.$/, ''));
  }
  return { name, value };
}

function refused(message: string) {
  return invalidParameters([{ parameter: 'attribute', code: 'invalid_parameter', message }]);
}
