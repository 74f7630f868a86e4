import { invalidParameters } from '../../common/http/invalid-request.js';
import type { IdentifierDefinition } from '../definition.js';
import { IdentifierReader } from '../rows/identifier-reader.js';
import type { IdentifierValue } from './select-instances.js';

/**
 * `:Email:ada@example.org`: an identifier's name, a colon, and the value, folded as the definition says. Where one
 * name begins with another, the longer one is meant.
 * @throws DomainError 400 `invalid_parameter`
 */
export function readIdentifier(text: string, identifiers: readonly IdentifierDefinition[]): IdentifierValue {
  const [meant] = identifiers
    .filter(({ name }) => text.startsWith(`${name}:`) && text.length > name.length + 1)
    .sort((a, b) => b.name.length - a.name.length);
  if (meant === undefined) {
    const names =
      identifiers.map(({ name }) => `${name}:value`).join(', ') || 'this workflow has no identifiers';
    throw invalidParameters([
      {
        parameter: 'identifier',
        code: 'invalid_parameter',
        message: `identifier must be the name of an identifier, a colon and a value: ${names}`,
      },
    ]);
  }
  const value = text.slice(meant.name.length + 1);
  return { name: meant.name, value: new IdentifierReader(meant).fold(value) };
}
