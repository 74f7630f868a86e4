import type { ProblemDetail } from '../../platform/errors.js';
import { jsonSchemaProblems } from '../../platform/json/json-schema.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { jsonPointer } from '../../platform/wording.js';
import { NOW } from '../behaviors/template.js';
import { hint, isObject, listOf, namesOf, type Part, partsOf, type Refuse } from '../definition.js';
import { ACTION_ID_COLUMN, ACTION_NAME_COLUMN } from '../rows/action-plan.js';
import { behaviorProblems } from './behavior-rules.js';

/**
 * Checks the consistency between the parts of a definition, and the rules that a schema can only report in words that
 * people do not understand. Parts of the wrong shape are skipped, because the schema reports them; the rest is still
 * checked, so that people see all mistakes at once.
 */
export function definitionRuleProblems(source: JsonObject): ProblemDetail[] {
  const problems: ProblemDetail[] = [];
  const refuse: Refuse = (pointer, code, message) => void problems.push({ pointer, code, message });
  const attributes = partsOf(source, 'attributes');
  const steps = partsOf(source, 'steps');
  for (const { value, pointer } of partsOf(source, 'identifiers'))
    checkIdentifierName(value, pointer, refuse);
  for (const { value, pointer } of attributes) {
    checkAttributeName(value, pointer, refuse);
    checkAttributeConstraints(value, pointer, refuse);
  }
  checkUnique(partsOf(source, 'identifiers'), 'name', 'identifiers', refuse);
  checkUnique(attributes, 'name', 'attributes', refuse);
  checkUnique(steps, 'name', 'steps', refuse);
  const actions = steps.flatMap(({ value, pointer }) => partsOf(value, 'actions', pointer));
  checkUnique(actions, 'id', 'actions of the workflow', refuse);
  for (const step of steps) {
    checkUnique(partsOf(step.value, 'actions', step.pointer), 'name', 'actions of the step', refuse);
    if (step.value.kind === 'dataEntry' && step.value.actsOnTerminal === true) {
      refuse(`${step.pointer}/actsOnTerminal`, 'not_applicable', 'is for data import steps only');
    }
  }
  for (const action of actions) {
    checkInputs(action, namesOf(attributes), refuse);
    checkPrimary(action, steps, refuse);
    problems.push(...conditionalRuleProblems(action.value, action.pointer, partsOf(source, 'identifiers')));
  }
  return [...problems, ...behaviorProblems(source)];
}

function checkIdentifierName({ name }: JsonObject, pointer: string, refuse: Refuse): void {
  if (typeof name !== 'string') return;
  if (!/^:[^:]/.test(name)) {
    refuse(
      `${pointer}/name`,
      'invalid_name',
      `must begin with one colon, for example ":${name.replace(/^:+/, '')}"`,
    );
  } else if (/^:workflow/i.test(name)) {
    refuse(
      `${pointer}/name`,
      'reserved_name',
      'must not begin with ":Workflow": such columns choose the action, for example ":WorkflowActionId"',
    );
  } else {
    checkNoBraces(name, pointer, refuse);
  }
}

function checkAttributeName({ name }: JsonObject, pointer: string, refuse: Refuse): void {
  if (typeof name !== 'string') return;
  if (name.startsWith(':')) {
    refuse(`${pointer}/name`, 'reserved_name', 'must not begin with a colon, which marks identifiers');
  } else if (name.startsWith('_')) {
    refuse(
      `${pointer}/name`,
      'reserved_name',
      'must not begin with "_": such columns ("_line", "_error") hold results, and an upload ignores them',
    );
  } else if (/^[=+\-@]/.test(name)) {
    refuse(
      `${pointer}/name`,
      'reserved_name',
      'must not begin with =, +, - or @: spreadsheets would treat the column as a formula',
    );
  } else if (name === NOW) {
    refuse(`${pointer}/name`, 'reserved_name', `must not be "${NOW}": {{${NOW}}} is the time in templates`);
  } else {
    checkNoBraces(name, pointer, refuse);
  }
}

function checkNoBraces(name: string, pointer: string, refuse: Refuse): void {
  if (!/[{}]/.test(name)) return;
  refuse(
    `${pointer}/name`,
    'reserved_name',
    'must not contain { or }: no template placeholder could name it',
  );
}

const TEXT_TYPES = ['ShortText', 'LongText', 'RichText', 'Email', 'Url'];
const LIST_TYPES = ['PickList', 'MultiSelectList'];
const CONSTRAINTS: Readonly<Record<string, readonly string[]>> = {
  maxLength: TEXT_TYPES,
  minimum: ['Numeric'],
  maximum: ['Numeric'],
  options: LIST_TYPES,
};

function checkAttributeConstraints(attribute: JsonObject, pointer: string, refuse: Refuse): void {
  const { type, minimum, maximum, options } = attribute;
  if (typeof type !== 'string') return;
  for (const [constraint, types] of Object.entries(CONSTRAINTS)) {
    if (attribute[constraint] !== undefined && !types.includes(type)) {
      refuse(
        `${pointer}/${constraint}`,
        'not_applicable',
        `is for ${types.join(', ')} only, not for ${type}`,
      );
    }
  }
  if (LIST_TYPES.includes(type) && options === undefined) {
    refuse(`${pointer}/options`, 'required', `is required: a ${type} has options to choose from`);
  }
  if (typeof minimum === 'number' && typeof maximum === 'number' && minimum > maximum) {
    refuse(`${pointer}/minimum`, 'contradiction', `must not be greater than maximum (${maximum})`);
  }
}

function checkInputs({ value, pointer }: Part, attributes: readonly string[], refuse: Refuse): void {
  const inputs = textsOf(value, 'inputs');
  inputs.forEach((input, index) => {
    if (input === undefined || attributes.includes(input)) return;
    const reason = input.startsWith(':')
      ? 'is an identifier; every row can have identifiers, so they are not listed here'
      : `is not an attribute of the workflow${hint(input, attributes)}`;
    refuse(`${pointer}/inputs/${index}`, 'unknown_attribute', `"${input}" ${reason}`);
  });
  textsOf(value, 'required').forEach((name, index) => {
    if (name === undefined || inputs.includes(name)) return;
    const known = inputs.filter((input) => input !== undefined);
    refuse(
      `${pointer}/required/${index}`,
      'unknown_input',
      `"${name}" is not one of the action's inputs${hint(name, known)}`,
    );
  });
}

function checkPrimary({ value, pointer }: Part, steps: readonly Part[], refuse: Refuse): void {
  const { primary } = value;
  if (!isObject(primary)) return;
  const { kind, step } = primary;
  const place = `${pointer}/primary/step`;
  if (kind !== 'moveToStep') {
    if (step !== undefined) refuse(place, 'not_applicable', 'is for "moveToStep" only');
    return;
  }
  const entries = namesOf(steps.filter((candidate) => candidate.value.kind === 'dataEntry'));
  if (step === undefined) {
    refuse(place, 'required', 'is required: the data entry step to move to');
  } else if (typeof step === 'string' && !entries.includes(step)) {
    const reason = namesOf(steps).includes(step)
      ? 'is a data import step, and no instance stands at one'
      : `is not a step of the workflow${hint(step, entries)}`;
    refuse(place, 'unknown_step', `"${step}" ${reason}`);
  }
}

/** Reports each later part that repeats a value, with the place of the first. */
function checkUnique(parts: readonly Part[], member: 'name' | 'id', what: string, refuse: Refuse): void {
  const first = new Map<JsonValue, string>();
  for (const { value, pointer } of parts) {
    const key = value[member];
    if (typeof key !== 'string' && typeof key !== 'number') continue;
    const place = `${pointer}/${member}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, place);
    else
      refuse(place, 'duplicate', `must differ among the ${what}; ${earlier} has ${JSON.stringify(key)} too`);
  }
}

/** The texts by index; `undefined` at the places of other types. */
function textsOf(parent: JsonObject, member: string): (string | undefined)[] {
  return listOf(parent[member]).map((item) => (typeof item === 'string' ? item : undefined));
}

/**
 * Mistakes in the conditional rules of an action: invalid schemas, and columns that a row of the action cannot have,
 * because no row could ever break a rule about such a column. Parts of the wrong shape are skipped.
 */
function conditionalRuleProblems(
  action: JsonObject,
  pointer: string,
  identifiers: readonly { value: JsonObject }[],
): ProblemDetail[] {
  const columns = [
    ...[ACTION_ID_COLUMN, ACTION_NAME_COLUMN],
    ...identifiers.flatMap(({ value: { name } }) => (typeof name === 'string' ? [name] : [])),
    ...textsIn(action.inputs),
  ];
  return listOf(action.rules).flatMap((rule, index) =>
    (['when', 'require'] as const).flatMap((member) => {
      const schema = isObject(rule) ? rule[member] : undefined;
      return isObject(schema) ? schemaProblems(schema, `${pointer}/rules/${index}/${member}`, columns) : [];
    }),
  );
}

function schemaProblems(schema: JsonObject, place: string, columns: readonly string[]): ProblemDetail[] {
  const wrong = jsonSchemaProblems(schema).map((problem) => ({
    ...problem,
    pointer: `${place}${problem.pointer}`,
  }));
  const unknown = namedColumns(schema, place).filter(({ name }) => !columns.includes(name));
  return [...wrong, ...unknown.map(({ name, pointer }) => unknownColumn(name, pointer, columns))];
}

function unknownColumn(name: string, pointer: string, columns: readonly string[]): ProblemDetail {
  const message = `"${name}" is neither an identifier nor an input of the action, so no row has it${hint(name, columns)}`;
  return { pointer, code: 'unknown_column', message };
}

/** `jsonSchemaProblems` refuses schemas that are nested more deeply. */
const DEEPEST_LEVEL = 200;

/**
 * Every column that a schema of a row names, including its subschemas. It does not follow `$ref`, whose target may
 * describe a value instead of a row.
 */
function namedColumns(schema: JsonObject, place: string, level = 0): { name: string; pointer: string }[] {
  if (level > DEEPEST_LEVEL) return [];
  const at = (...path: (string | number)[]) => `${place}${jsonPointer(...path)}`;
  const named = (name: JsonValue, ...path: (string | number)[]) =>
    typeof name === 'string' ? [{ name, pointer: at(...path) }] : [];
  const within = (nested: JsonValue | undefined, ...path: (string | number)[]) =>
    isObject(nested) ? namedColumns(nested, at(...path), level + 1) : [];
  return [
    ...membersOf(schema.properties).flatMap(([name]) => named(name, 'properties', name)),
    ...listOf(schema.required).flatMap((name, index) => named(name, 'required', index)),
    ...membersOf(schema.dependentRequired).flatMap(([name, others]) => [
      ...named(name, 'dependentRequired', name),
      ...listOf(others).flatMap((other, index) => named(other, 'dependentRequired', name, index)),
    ]),
    ...membersOf(schema.dependentSchemas).flatMap(([name, nested]) => [
      ...named(name, 'dependentSchemas', name),
      ...within(nested, 'dependentSchemas', name),
    ]),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((keyword) =>
      listOf(schema[keyword]).flatMap((nested, index) => within(nested, keyword, index)),
    ),
    ...['if', 'then', 'else', 'not'].flatMap((keyword) => within(schema[keyword], keyword)),
  ];
}

function membersOf(value: JsonValue | undefined): [string, JsonValue][] {
  return isObject(value) ? Object.entries(value) : [];
}

function textsIn(value: JsonValue | undefined): string[] {
  return listOf(value).filter((item) => typeof item === 'string');
}
