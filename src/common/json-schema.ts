import type { ErrorObject } from 'ajv';
import { Ajv2020, type Options, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { boundedPattern } from './bounded-pattern.js';
import type { JsonObject, JsonValue } from './json.js';
import { violationOf, type SchemaViolation } from './schema-violation.js';
import { allDifferent } from './all-different.js';

/**
 * The formats of JSON Schema 2020-12 that are asserted. `ajv-formats` has more; its `url` takes time that grows
 * with the square of the text, and the others are no part of the standard.
 */
export const FORMATS = [
  ...(['date', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'json-pointer'] as const),
  ...(['regex', 'relative-json-pointer', 'time', 'uri', 'uri-reference', 'uri-template', 'uuid'] as const),
];

/** As Ajv wants its engine of regular expressions: a function with the code that stands for it. */
const engine = Object.assign((pattern: string) => boundedPattern(pattern), { code: 'boundedPattern' });

/**
 * Ajv for JSON Schema 2020-12 on schemas and rows that others wrote: every check takes time in proportion to the
 * row. Each schema gets an instance of its own, since Ajv keeps whatever it ever compiled.
 */
export function createAjv(options: Options = {}): Ajv2020 {
  const ajv = new Ajv2020({
    // Its warnings go to the console; what matters of them is checked in `json-schema-problems.ts`.
    logger: false,
    strict: false,
    // Otherwise every object has a property "constructor".
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
    compile: (wanted: boolean) => (wanted ? allDifferent : () => true),
  });
  return ajv;
}

/** `null`: the value is as the schema says. */
export type JsonSchemaCheck = (value: JsonValue) => SchemaViolation | null;

/**
 * A schema made ready for many values.
 * @throws Error when it is no usable schema; `jsonSchemaProblems` says what is wrong, and with which part
 */
export function compileJsonSchema(schema: JsonObject): JsonSchemaCheck {
  const validate = createAjv({ meta: false, validateSchema: false }).compile(schema);
  return (value) => (isValid(validate, value) ? null : violationOf(validate.errors ?? [NESTED_TOO_DEEPLY]));
}

/** A schema that refers to itself makes the check recurse with the value; a value may be nested too deeply for that. */
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
