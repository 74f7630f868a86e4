import type { ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { nearestName } from '../../platform/wording.js';
import { NOW } from '../behaviors/template.js';
import { behaviorProblems } from './behavior-rules.js';
import { actionRuleProblems } from './conditional-rules.js';

/**
 * What must agree between the parts of a definition, and what a schema says in words nobody understands. Reads
 * tolerantly: a part of another shape is skipped here, since `definitionShapeProblems` names it, and the rest is
 * still checked, so that people see every mistake at once.
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
    problems.push(...actionRuleProblems(action.value, action.pointer, partsOf(source, 'identifiers')));
  }
  return [...problems, ...behaviorProblems(source)];
}

interface Part {
  value: JsonObject;
  pointer: string;
}

type Refuse = (pointer: string, code: string, message: string) => void;

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
    refuse(
      `${pointer}/name`,
      'reserved_name',
      'must not begin with a colon, which is the sign of identifiers',
    );
  } else if (name.startsWith('_')) {
    refuse(
      `${pointer}/name`,
      'reserved_name',
      'must not begin with "_": such columns of a file ("_line", "_error") are results, and are not read',
    );
  } else if (/^[=+\-@]/.test(name)) {
    refuse(
      `${pointer}/name`,
      'reserved_name',
      'must not begin with =, +, - or @: spreadsheets would take the column for a formula',
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
    'must not contain { or }: no placeholder of a template could name it',
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
      ? 'is an identifier; those can be in every row and are not listed here'
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
      ? 'is a data import step, at which nothing stands'
      : `is not a step of the workflow${hint(step, entries)}`;
    refuse(place, 'unknown_step', `"${step}" ${reason}`);
  }
}

/** Each later part that repeats a value is named, with the place of the first. */
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

function partsOf(parent: JsonObject, member: string, parentPointer = ''): Part[] {
  const list = parent[member];
  if (!Array.isArray(list)) return [];
  return list.flatMap((value, index) =>
    isObject(value) ? [{ value, pointer: `${parentPointer}/${member}/${index}` }] : [],
  );
}

function namesOf(parts: readonly Part[]): string[] {
  return parts.flatMap(({ value }) => (typeof value.name === 'string' ? [value.name] : []));
}

/** By index; `undefined` where the list holds something else. */
function textsOf(parent: JsonObject, member: string): (string | undefined)[] {
  const list = parent[member];
  return Array.isArray(list) ? list.map((item) => (typeof item === 'string' ? item : undefined)) : [];
}

function hint(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
