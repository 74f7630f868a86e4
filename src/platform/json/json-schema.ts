import type { ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import { Ajv2020, type Options, type ValidateFunction } from 'ajv/dist/2020.js';
import { errorMessage } from '../errors.js';
import { jsonPointer, nearestName } from '../wording.js';
import { boundedPattern, PatternError } from './bounded-pattern.js';
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
const FORMATS = [
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
    // Its warnings go to the console; `jsonSchemaProblems` checks those that matter.
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

export interface JsonSchemaProblem {
  /** RFC 6901 pointer into the schema. */
  pointer: string;
  code: 'invalid_schema';
  /** The end of a sentence that begins with the place. */
  message: string;
}

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/**
 * The most names and indexes on the way to a subschema: far more than a person writes, and far fewer than the stack can
 * hold.
 */
const DEEPEST_PATH = 200;

/** How the value of a keyword holds further schemas. */
const SUBSCHEMAS: Readonly<Record<string, 'one' | 'list' | 'map'>> = {
  $defs: 'map',
  additionalProperties: 'one',
  allOf: 'list',
  anyOf: 'list',
  contains: 'one',
  contentSchema: 'one',
  definitions: 'map',
  dependentSchemas: 'map',
  else: 'one',
  if: 'one',
  items: 'one',
  not: 'one',
  oneOf: 'list',
  patternProperties: 'map',
  prefixItems: 'list',
  properties: 'map',
  propertyNames: 'one',
  then: 'one',
  unevaluatedItems: 'one',
  unevaluatedProperties: 'one',
};

const KEYWORDS = new Set([
  ...Object.keys(SUBSCHEMAS),
  ...[
    '$anchor',
    '$comment',
    '$dynamicAnchor',
    '$dynamicRef',
    '$id',
    '$ref',
    '$schema',
    '$vocabulary',
    'const',
  ],
  ...[
    'contentEncoding',
    'contentMediaType',
    'default',
    'dependentRequired',
    'deprecated',
    'description',
    'enum',
  ],
  ...['examples', 'exclusiveMaximum', 'exclusiveMinimum', 'format', 'maxContains', 'maximum', 'maxItems'],
  ...['maxLength', 'maxProperties', 'minContains', 'minimum', 'minItems', 'minLength', 'minProperties'],
  ...['multipleOf', 'pattern', 'readOnly', 'required', 'title', 'type', 'uniqueItems', 'writeOnly'],
]);

/**
 * Finds the mistakes, each with its place, that make a JSON Schema 2020-12 unusable. If there are none,
 * `compileJsonSchema` accepts the schema.
 */
export function jsonSchemaProblems(schema: JsonObject): JsonSchemaProblem[] {
  try {
    const found = [...new SchemaInspection(schema).problems(), ...metaSchemaProblems(schema)];
    // The inspection and the meta-schema may both report a place; the inspection explains it better and comes first.
    const problems = [...new Map(found.reverse().map((problem) => [problem.pointer, problem])).values()];
    return problems.length > 0 ? problems.reverse() : compilationProblems(schema);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [problem('', 'is nested too deeply')];
  }
}

function problem(pointer: string, message: string): JsonSchemaProblem {
  return { pointer, code: 'invalid_schema', message };
}

/** Finds the mistakes that a meta-schema cannot find, or reports in words that users do not understand. */
class SchemaInspection {
  private readonly found: JsonSchemaProblem[] = [];
  private readonly anchors = new Set<string>();
  private readonly references: { pointer: string; target: string }[] = [];

  constructor(private readonly root: JsonObject) {}

  problems(): JsonSchemaProblem[] {
    this.visit(this.root, []);
    for (const { pointer, target } of this.references) {
      if (!target.startsWith('#')) {
        this.found.push(problem(pointer, 'must begin with #: schemas elsewhere are not fetched'));
      } else if (!this.resolves(target.slice(1))) {
        this.found.push(problem(pointer, `refers to ${target}, which is not in the schema`));
      }
    }
    return this.found;
  }

  private visit(schema: JsonValue, path: readonly (string | number)[]): void {
    if (!isObject(schema)) return;
    if (path.length > DEEPEST_PATH) throw new RangeError('the schema is nested too deeply');
    for (const [keyword, value] of Object.entries(schema)) {
      const here = [...path, keyword];
      this.inspect(keyword, value, jsonPointer(...here), path.length === 0);
      const kind = Object.hasOwn(SUBSCHEMAS, keyword) ? SUBSCHEMAS[keyword] : undefined;
      if (kind === 'one') this.visit(value, here);
      else if (kind === 'list' && Array.isArray(value))
        value.forEach((each, at) => this.visit(each, [...here, at]));
      else if (kind === 'map' && isObject(value)) {
        for (const [name, each] of Object.entries(value)) this.visit(each, [...here, name]);
      }
    }
  }

  private inspect(keyword: string, value: JsonValue, pointer: string, isRoot: boolean): void {
    const refuse = (message: string) => this.found.push(problem(pointer, message));
    if (!KEYWORDS.has(keyword) && !keyword.startsWith('x-')) {
      const nearest = nearestName(keyword, KEYWORDS);
      refuse(
        `is not a keyword of JSON Schema 2020-12${nearest === undefined ? '' : `; did you mean "${nearest}"?`}` +
          ' (members of your own may begin with "x-")',
      );
    } else if (keyword === '$schema' && value !== DIALECT && value !== `${DIALECT}#`) {
      refuse(`must be "${DIALECT}", or be left out`);
    } else if (keyword === '$id' && !isRoot) {
      refuse('is allowed at the root of the schema only');
    } else if (keyword === '$ref' || keyword === '$dynamicRef') {
      if (typeof value === 'string') this.references.push({ pointer, target: value });
    } else if (keyword === '$anchor' || keyword === '$dynamicAnchor') {
      if (typeof value === 'string') this.anchors.add(value);
    } else if (keyword === 'format' && typeof value === 'string' && !FORMATS.some((name) => name === value)) {
      refuse(`is not a format that is checked here: ${FORMATS.join(', ')}`);
    } else if (keyword === 'pattern' && typeof value === 'string') {
      this.inspectPattern(value, pointer);
    } else if (keyword === 'patternProperties' && isObject(value)) {
      for (const name of Object.keys(value)) this.inspectPattern(name, `${pointer}${jsonPointer(name)}`);
    }
  }

  private inspectPattern(pattern: string, pointer: string): void {
    try {
      boundedPattern(pattern);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      this.found.push(problem(pointer, error.message));
    }
  }

  private resolves(fragment: string): boolean {
    if (!fragment.startsWith('/')) return fragment === '' || this.anchors.has(fragment);
    let value: JsonValue | undefined = this.root;
    for (const step of fragment.slice(1).split('/')) {
      const name: string = percentDecoded(step).replaceAll('~1', '/').replaceAll('~0', '~');
      if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return false;
      value = (value as JsonObject)[name];
    }
    return true;
  }
}

/** Returns the text unchanged when its percent-encoding is invalid; it then resolves to nothing, which is reported. */
function percentDecoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

const metaSchema = createAjv({ allErrors: true });

function metaSchemaProblems(schema: JsonObject): JsonSchemaProblem[] {
  if (metaSchema.validateSchema({ ...schema, $schema: DIALECT }) === true) return [];
  const described = (metaSchema.errors ?? []).map(describeError);
  // The meta-schema has alternatives for `type` and similar keywords; listing the requirement of each is enough.
  return described
    .filter(({ keyword }) => keyword !== 'anyOf')
    .map(({ pointer, message }) => problem(pointer, message));
}

/** Finds the mistakes that show only when the schema is compiled and tried, above all circular references. */
function compilationProblems(schema: JsonObject): JsonSchemaProblem[] {
  const endless = problem('', 'refers to itself without end');
  try {
    return compileJsonSchema(schema)({})?.keyword === '$ref' ? [endless] : [];
  } catch (error) {
    if (error instanceof RangeError) return [endless];
    return [problem('', `cannot be compiled: ${errorMessage(error)}`)];
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
