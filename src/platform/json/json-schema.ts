import type { ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import { Ajv2020, type Options, type ValidateFunction } from 'ajv/dist/2020.js';
import { boundedPattern } from './bounded-pattern.js';
import { jsonPointer } from '../wording.js';
import { hasUniqueItems, type JsonObject, type JsonValue } from './json-value.js';

/** How a value violates a schema. */
interface SchemaViolation {
  /** RFC 6901 pointer to the place in the value; for a missing member, the place where it should be. */
  pointer: string;
  /** The violated keyword of the schema. */
  keyword: string;
  /** The end of a sentence that begins with the place: `must be >= 0`. */
  message: string;
}

const SHOWN_VALUES = 20;

/** Where Ajv reports one error, in words for users. */
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

/** Selects one of the violations that Ajv reports for one value: the first, or all of them if they are alternatives. */
function violationOf(errors: readonly ErrorObject[]): SchemaViolation {
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

/**
 * The formats of JSON Schema 2020-12 that are asserted. `ajv-formats` has more, but the time of its `url` grows with
 * the square of the text, and the others are not part of the standard.
 */
export const FORMATS = [
  ...(['date', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'json-pointer'] as const),
  ...(['regex', 'relative-json-pointer', 'time', 'uri', 'uri-reference', 'uri-template', 'uuid'] as const),
];

/** The regular expression engine in the form that Ajv expects: a function with the code that stands for it. */
const engine = Object.assign((pattern: string) => boundedPattern(pattern), { code: 'boundedPattern' });

/**
 * Ajv for JSON Schema 2020-12 with schemas and rows from users: every check takes time in proportion to the row. Each
 * schema gets its own instance, because Ajv keeps everything it has ever compiled.
 */
export function createAjv(options: Options = {}): Ajv2020 {
  const ajv = new Ajv2020({
    // Its warnings go to the console; `json-schema-problems.ts` checks those that matter.
    logger: false,
    strict: false,
    // Without it, every object has a property "constructor".
    ownProperties: true,
    // 0.07 is a multiple of 0.01, although 0.07 / 0.01 is 7.000000000000001.
    multipleOfPrecision: 6,
    code: { regExp: engine },
    ...options,
  });
  (addFormats as unknown as typeof addFormats.default)(ajv, { mode: 'full', formats: [...FORMATS] });
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must not have two items that are equal' },
    compile: (wanted: boolean) => (wanted ? hasUniqueItems : () => true),
  });
  return ajv;
}

/** `null`: the value matches the schema. */
export type JsonSchemaCheck = (value: JsonValue) => SchemaViolation | null;

/**
 * Compiles a schema for use with many values.
 * Why: ADR 23.
 * @throws Error when the schema is not usable; `jsonSchemaProblems` names the faulty part and the reason
 */
export function compileJsonSchema(schema: JsonObject): JsonSchemaCheck {
  const validate = createAjv({ meta: false, validateSchema: false }).compile(schema);
  return (value) => (isValid(validate, value) ? null : violationOf(validate.errors ?? [NESTED_TOO_DEEPLY]));
}

/**
 * A schema that refers to itself makes the check recurse with the value, which may be nested too deeply for the stack.
 */
function isValid(validate: ValidateFunction, value: JsonValue): boolean {
  try {
    return validate(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    validate.errors = [NESTED_TOO_DEEPLY];
    return false;
  }
}

const NESTED_TOO_DEEPLY: ErrorObject = {
  instancePath: '',
  schemaPath: '#/$ref',
  keyword: '$ref',
  params: {},
  message: 'is nested too deeply for the schema, which refers to itself',
};
