import type { ErrorObject } from 'ajv';
import { jsonPointer } from './json-pointer.js';

/** How a value breaks a schema. */
export interface SchemaViolation {
  /** RFC 6901 pointer to the place in the value; a member that lacks is pointed at where it should stand. */
  pointer: string;
  /** The keyword of the schema that is broken. */
  keyword: string;
  /** The end of a sentence that begins with the place: `must be >= 0`. */
  message: string;
}

const SHOWN_VALUES = 20;

/** Where Ajv reports one error, in the words people see. */
export function describeError(error: ErrorObject): SchemaViolation {
  const { instancePath, keyword, message = 'is not as the schema says' } = error;
  const params = error.params as Record<string, unknown>;
  switch (keyword) {
    case 'required':
    case 'dependentRequired':
      return at(`${instancePath}${jsonPointer(text(params.missingProperty))}`, 'is required');
    case 'additionalProperties':
      return at(`${instancePath}${jsonPointer(text(params.additionalProperty))}`, 'is not a known property');
    case 'unevaluatedProperties':
      return at(`${instancePath}${jsonPointer(text(params.unevaluatedProperty))}`, 'is not a known property');
    case 'propertyNames':
      return at(
        `${instancePath}${jsonPointer(text(params.propertyName))}`,
        'is not an allowed property name',
      );
    case 'enum':
      return at(instancePath, `must be one of ${listed(params.allowedValues)}`);
    case 'const':
      return at(instancePath, `must be ${JSON.stringify(params.allowedValue)}`);
    case 'type':
      return at(instancePath, `must be ${[params.type].flat().join(' or ')}`);
    case 'false schema':
      return at(instancePath, 'is not allowed');
    case 'not':
      return at(instancePath, 'must not be as the schema under "not" says');
    default:
      return at(instancePath, message);
  }

  function at(pointer: string, sentence: string): SchemaViolation {
    return { pointer, keyword, message: sentence };
  }
}

/** One violation out of those Ajv reports for one value: the first, or where there are alternatives, all of them. */
export function violationOf(errors: readonly ErrorObject[]): SchemaViolation {
  const described = errors.map(describeError);
  const last = described.at(-1);
  if (last === undefined) return { pointer: '', keyword: '', message: 'is not as the schema says' };
  if (last.keyword !== 'anyOf' && last.keyword !== 'oneOf') return described[0] ?? last;
  const alternatives = described.slice(0, -1).map(({ pointer, message }) => {
    const below = pointer.startsWith(last.pointer) ? pointer.slice(last.pointer.length) : pointer;
    return below === '' ? message : `${below} ${message}`;
  });
  return alternatives.length === 0
    ? last
    : {
        ...last,
        message: `must be one of several forms, and is none: ${[...new Set(alternatives)].join('; or ')}`,
      };
}

function listed(values: unknown): string {
  const all = Array.isArray(values) ? values.map((value) => JSON.stringify(value)) : [];
  const more = all.length - SHOWN_VALUES;
  return all.slice(0, SHOWN_VALUES).join(', ') + (more > 0 ? ` or ${more} others` : '');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
