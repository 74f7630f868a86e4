import Type, { type Static } from 'typebox';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';
import { nearestName } from '../platform/wording.js';

/*
 * The only statement of the workflow definition: its types, the validation of requests, and the description in OpenAPI
 * all derive from these schemas. `definition/definition-rules.ts` checks the consistency between the parts.
 */

export const ATTRIBUTE_TYPES = [
  'ShortText',
  'LongText',
  'RichText',
  'Numeric',
  'Boolean',
  'Date',
  'DateTime',
  'PickList',
  'MultiSelectList',
  'Email',
  'Url',
] as const;
export type AttributeType = (typeof ATTRIBUTE_TYPES)[number];

/** `makeIncomplete` sets the first status, the completing primaries set the others. */
export const INSTANCE_STATUSES = [
  'incomplete',
  'completed_successfully',
  'completed_unsuccessfully',
] as const;
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];

const CLOSED = { additionalProperties: false } as const;

/** Names appear in columns, logs and links: a name is one line, without white space at its ends. */
const NAME = { maxLength: 200, pattern: '^[^\\s\\p{Cc}\\p{Cs}](?:[^\\p{Cc}\\p{Cs}]*[^\\s\\p{Cc}\\p{Cs}])?$' };
const name = (description?: string) =>
  Type.String(description === undefined ? NAME : { ...NAME, description });

/** Within these bounds a JSON number is exact. */
const bound = (description: string) => Type.Number({ minimum: -1e15, maximum: 1e15, description });

const IDENTIFIER = Type.Object(
  {
    name: name('Begins with a colon, for example ":Email".'),
    unique: Type.Boolean({ description: 'At most one instance of the workflow can carry a value.' }),
    format: Type.Optional(Type.Enum(['email'])),
    caseInsensitive: Type.Optional(Type.Boolean()),
  },
  CLOSED,
);
export type IdentifierDefinition = Static<typeof IDENTIFIER>;

const ATTRIBUTE = Type.Object(
  {
    name: name(),
    type: Type.Enum([...ATTRIBUTE_TYPES]),
    description: Type.Optional(Type.String({ maxLength: 2000 })),
    maxLength: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Text types only; in characters.' }),
    ),
    minimum: Type.Optional(bound('Numeric only.')),
    maximum: Type.Optional(bound('Numeric only.')),
    options: Type.Optional(
      Type.Array(name(), {
        minItems: 1,
        maxItems: 10_000,
        uniqueItems: true,
        description: 'PickList and MultiSelectList only; they require it.',
      }),
    ),
  },
  CLOSED,
);
export type AttributeDefinition = Static<typeof ATTRIBUTE>;

export type PrimaryEffect =
  | { kind: 'save' }
  | { kind: 'moveToStep'; step: string }
  | { kind: 'completeSuccessfully' }
  | { kind: 'completeUnsuccessfully' }
  | { kind: 'makeIncomplete' };

/*
 * Primaries and behaviors are unions for programs, and one flat object for people who write a definition. The validator
 * reports a mistake in a flat object at its member, but a mistake in a union as "must match one of the schemas".
 */
const PRIMARY = Type.Unsafe<PrimaryEffect>(
  Type.Object(
    {
      kind: Type.Enum([
        'save',
        'moveToStep',
        'completeSuccessfully',
        'completeUnsuccessfully',
        'makeIncomplete',
      ]),
      step: Type.Optional(name('moveToStep only: the data entry step to move to.')),
    },
    CLOSED,
  ),
);

/** Performed after an action that changed something. Texts are templates: `{{First Name}}`, `{{:Email}}`, `{{now}}`. */
export type BehaviorDefinition =
  /** `to`: an identifier or attribute with the address, or a fixed address. */
  | { kind: 'sendEmail'; to: string; subject: string; template: string }
  /** In the transaction of the action. */
  | { kind: 'setAttribute'; name: string; value: string }
  | { kind: 'webhook'; url: string; secret?: string }
  /** The primary and the behaviors of another action, on the same instance. */
  | { kind: 'performAction'; action: string };

const text = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description }));
const possiblyEmpty = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ maxLength, description }));

const BEHAVIOR = Type.Unsafe<BehaviorDefinition>(
  Type.Object(
    {
      kind: Type.Enum(['sendEmail', 'setAttribute', 'webhook', 'performAction']),
      to: text(254, 'sendEmail: the identifier or attribute with the address, or a fixed address.'),
      subject: text(500, 'sendEmail: a template.'),
      template: text(
        100_000,
        'sendEmail: the mail, with placeholders such as {{First Name}}. A template with HTML elements is sent as HTML and as text.',
      ),
      name: Type.Optional(name('setAttribute: the attribute.')),
      value: possiblyEmpty(
        10_000,
        'setAttribute: a template, for example "{{now}}". An empty one clears the attribute.',
      ),
      url: possiblyEmpty(2000, 'webhook: the address that receives the POST.'),
      secret: possiblyEmpty(
        200,
        'webhook: "whsec_" and 24 to 64 bytes in base64; signatures follow Standard Webhooks 1.0.',
      ),
      action: Type.Optional(
        name('performAction: the action whose primary and behaviors are performed, too.'),
      ),
    },
    CLOSED,
  ),
);

const rowSchema = (description: string) => Type.Unsafe<JsonObject>({ type: 'object', description });

/**
 * A row (in the form of `understoodRow`) that meets `when` must also meet `require`; else it is rejected with the
 * message.
 */
const RULE = Type.Object(
  {
    when: rowSchema(
      'JSON Schema 2020-12 of the row with its values converted (numbers as numbers, even from CSV; cleared values absent): the rows that the rule applies to.',
    ),
    require: rowSchema('JSON Schema 2020-12 that these rows must meet.'),
    message: Type.String({
      minLength: 1,
      maxLength: 1000,
      description: 'Why the row is rejected, for the people who sent it.',
    }),
  },
  CLOSED,
);
export type ActionRule = Static<typeof RULE>;

const ACTION = Type.Object(
  {
    id: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }),
    name: name(),
    inputs: Type.Array(Type.String(), {
      uniqueItems: true,
      description: 'Names of the attributes that the action can set.',
    }),
    required: Type.Optional(
      Type.Array(Type.String(), { uniqueItems: true, description: 'The inputs that must have a value.' }),
    ),
    rules: Type.Optional(Type.Array(RULE, { maxItems: 100 })),
    primary: PRIMARY,
    behaviors: Type.Optional(Type.Array(BEHAVIOR, { maxItems: 20 })),
  },
  CLOSED,
);
export type ActionDefinition = Static<typeof ACTION>;

const STEP = Type.Object(
  {
    name: name(),
    kind: Type.Enum(['dataEntry', 'dataImport'], {
      description:
        'Data import steps lie outside the step sequence: their actions can be performed at any time.',
    }),
    actsOnTerminal: Type.Optional(
      Type.Boolean({
        description: 'dataImport only: whether its actions can be performed on completed instances.',
      }),
    ),
    actions: Type.Array(ACTION, { maxItems: 500 }),
  },
  CLOSED,
);
export type StepDefinition = Static<typeof STEP>;

const DEFINITION = Type.Object(
  {
    name: Type.String({
      maxLength: 100,
      pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$',
      description: 'Part of addresses: letters, digits, "-", "_" and "." only. It never changes.',
    }),
    title: name(),
    entityType: name(),
    version: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Optional. In a PUT: the version that was edited; 409 if it is not the current one.',
      }),
    ),
    identifiers: Type.Array(IDENTIFIER, { maxItems: 50 }),
    attributes: Type.Array(ATTRIBUTE, { maxItems: 2000 }),
    steps: Type.Array(STEP, { minItems: 1, maxItems: 500 }),
  },
  CLOSED,
);

/** A kind of thing: its attributes, the identifiers that find it, and the actions that change it. */
export type WorkflowDefinition = Omit<Static<typeof DEFINITION>, 'version'>;

/** JSON Schema 2020-12 of a definition as a client sends it. */
export const DEFINITION_SCHEMA = DEFINITION as object as JsonObject;

/** A definition in responses. */
export interface VersionedWorkflowDefinition extends WorkflowDefinition {
  version: number;
}

/** The `target` of an import process of kind `workflow`. */
export interface WorkflowTargetConfiguration {
  kind: 'workflow';
  workflow: string;
  step: string;
  /** Name of the action for rows that do not name one. */
  action?: string;
  onNoMatch: 'create' | 'reject';
  onMatch: 'update' | 'reject' | 'skip';
  /** Suppresses mails and webhooks, for example for a bulk load. Behaviors that change the instance still run. */
  muteBehaviors?: boolean;
}

/** A part that two versions have in common, and the members in which they differ: `options`, `rules`. */
interface ChangedPart {
  name: string;
  members: string[];
}

/** What a version changed: names of attributes, identifiers, steps and actions. */
export interface DefinitionChanges {
  added: string[];
  removed: string[];
  changed: ChangedPart[];
}

/** The parts in which two versions of a definition differ. The parts of a step are its own. */
export function definitionChanges(before: WorkflowDefinition, after: WorkflowDefinition): DefinitionChanges {
  const earlier = comparedParts(before);
  const later = comparedParts(after);
  return {
    added: [...later.keys()].filter((name) => !earlier.has(name)),
    removed: [...earlier.keys()].filter((name) => !later.has(name)),
    changed: [...later].flatMap(([name, part]) => {
      const members = changedMembers(earlier.get(name) ?? part, part);
      return members.length === 0 ? [] : [{ name, members }];
    }),
  };
}

function comparedParts({
  identifiers,
  attributes,
  steps,
  title,
  entityType,
}: WorkflowDefinition): Map<string, object> {
  return new Map<string, object>([
    ['', { title, entityType }],
    ...identifiers.map((part) => [part.name, part] as const),
    ...attributes.map((part) => [part.name, part] as const),
    ...steps.flatMap(({ actions, ...step }) => [
      [`${step.name} ›`, step] as const,
      ...actions.map((action) => [`${step.name} › ${action.name}`, action] as const),
    ]),
  ]);
}

function changedMembers(before: object, after: object): string[] {
  const earlier = new Map<string, unknown>(Object.entries(before));
  const later = new Map<string, unknown>(Object.entries(after));
  return [...new Set([...earlier.keys(), ...later.keys()])].filter(
    (member) => JSON.stringify(earlier.get(member)) !== JSON.stringify(later.get(member)),
  );
}

/** A part of the definition in a request, and its place in the definition. */
export interface Part {
  value: JsonObject;
  /** RFC 6901. */
  pointer: string;
}

/** Reports one mistake of a definition. */
export type Refuse = (pointer: string, code: string, message: string) => void;

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The objects in a list that is a member of a part. Other values are skipped, because the schema reports them. */
export function partsOf(parent: JsonObject, member: string, parentPointer = ''): Part[] {
  return listOf(parent[member]).flatMap((value, index) =>
    isObject(value) ? [{ value, pointer: `${parentPointer}/${member}/${index}` }] : [],
  );
}

export function namesOf(parts: readonly Part[]): string[] {
  return parts.flatMap(({ value }) => (typeof value.name === 'string' ? [value.name] : []));
}

export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** The text; an empty text if the member has another type. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** `; did you mean "…"?`, or nothing. */
export function hint(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}
