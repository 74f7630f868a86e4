import type { JsonObject } from '../../platform/json/json-value.js';
import { ATTRIBUTE_TYPES } from '../definition.js';

/** Names appear in columns, logs and links: one line, without white space at the ends. */
const name: JsonObject = {
  type: 'string',
  maxLength: 200,
  pattern: '^[^\\s\\p{Cc}\\p{Cs}](?:[^\\p{Cc}\\p{Cs}]*[^\\s\\p{Cc}\\p{Cs}])?$',
};

/** Within these bounds a JSON number is exact. */
const bound: JsonObject = { type: 'number', minimum: -1e15, maximum: 1e15 };

const identifier: JsonObject = {
  type: 'object',
  properties: {
    name: { ...name, description: 'Begins with a colon, for example ":Email".' },
    unique: { type: 'boolean', description: 'At most one instance of the workflow may carry a value.' },
    format: { enum: ['email'] },
    caseInsensitive: { type: 'boolean' },
  },
  required: ['name', 'unique'],
  additionalProperties: false,
};

const attribute: JsonObject = {
  type: 'object',
  properties: {
    name,
    type: { enum: [...ATTRIBUTE_TYPES] },
    description: { type: 'string', maxLength: 2000 },
    maxLength: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000_000,
      description: 'Text types only; in characters.',
    },
    minimum: { ...bound, description: 'Numeric only.' },
    maximum: { ...bound, description: 'Numeric only.' },
    options: {
      type: 'array',
      items: name,
      minItems: 1,
      maxItems: 10_000,
      uniqueItems: true,
      description: 'PickList and MultiSelectList only; they require it.',
    },
  },
  required: ['name', 'type'],
  additionalProperties: false,
};

const primary: JsonObject = {
  type: 'object',
  properties: {
    kind: {
      enum: ['save', 'moveToStep', 'completeSuccessfully', 'completeUnsuccessfully', 'makeIncomplete'],
    },
    step: { ...name, description: 'moveToStep only: the data entry step to move to.' },
  },
  required: ['kind'],
  additionalProperties: false,
};

const rule: JsonObject = {
  type: 'object',
  properties: {
    when: {
      type: 'object',
      description:
        'JSON Schema 2020-12 of the row with its values converted (numbers as numbers, even from CSV; cleared values absent): the rows that the rule applies to.',
    },
    require: { type: 'object', description: 'JSON Schema 2020-12 that these rows must meet.' },
    message: {
      type: 'string',
      minLength: 1,
      maxLength: 1000,
      description: 'Why the row is rejected, for the people who sent it.',
    },
  },
  required: ['when', 'require', 'message'],
  additionalProperties: false,
};

const behavior: JsonObject = {
  type: 'object',
  properties: {
    kind: { enum: ['sendEmail', 'setAttribute', 'webhook', 'performAction'] },
    to: {
      type: 'string',
      minLength: 1,
      maxLength: 254,
      description: 'sendEmail: the identifier or attribute with the address, or a fixed address.',
    },
    subject: { type: 'string', minLength: 1, maxLength: 500, description: 'sendEmail: a template.' },
    template: {
      type: 'string',
      minLength: 1,
      maxLength: 100_000,
      description:
        'sendEmail: the mail, with placeholders such as {{First Name}}. A template with HTML elements is sent as HTML and as text.',
    },
    name: { ...name, description: 'setAttribute: the attribute.' },
    value: {
      type: 'string',
      maxLength: 10_000,
      description: 'setAttribute: a template, for example "{{now}}". An empty one clears the attribute.',
    },
    url: { type: 'string', maxLength: 2000, description: 'webhook: the address that receives the POST.' },
    secret: {
      type: 'string',
      maxLength: 200,
      description: 'webhook: "whsec_" and 24 to 64 bytes in base64; signatures follow Standard Webhooks 1.0.',
    },
    action: {
      ...name,
      description: 'performAction: the action whose primary and behaviors are performed, too.',
    },
  },
  required: ['kind'],
  additionalProperties: false,
};

const action: JsonObject = {
  type: 'object',
  properties: {
    id: { type: 'integer', minimum: 1, maximum: 2_147_483_647 },
    name,
    inputs: {
      type: 'array',
      items: { type: 'string' },
      uniqueItems: true,
      description: 'Names of the attributes that the action can set.',
    },
    required: {
      type: 'array',
      items: { type: 'string' },
      uniqueItems: true,
      description: 'The inputs that must have a value.',
    },
    rules: { type: 'array', items: rule, maxItems: 100 },
    primary,
    behaviors: { type: 'array', items: behavior, maxItems: 20 },
  },
  required: ['id', 'name', 'inputs', 'primary'],
  additionalProperties: false,
};

const step: JsonObject = {
  type: 'object',
  properties: {
    name,
    kind: { enum: ['dataEntry', 'dataImport'] },
    actsOnTerminal: {
      type: 'boolean',
      description: 'dataImport only: whether its actions can be performed on completed instances.',
    },
    actions: { type: 'array', items: action, maxItems: 500 },
  },
  required: ['name', 'kind', 'actions'],
  additionalProperties: false,
};

/** JSON Schema 2020-12 of the shape of a workflow definition. `definition-rules.ts` checks what must agree between its parts. */
export const DEFINITION_SCHEMA: JsonObject = {
  type: 'object',
  properties: {
    name: {
      type: 'string',
      maxLength: 100,
      pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$',
      description: 'Part of addresses: letters, digits, "-", "_" and "." only. It never changes.',
    },
    title: name,
    entityType: name,
    version: {
      type: 'integer',
      minimum: 1,
      description: 'Optional. In a PUT: the version that was edited; 409 if it is not the current one.',
    },
    identifiers: { type: 'array', items: identifier, maxItems: 50 },
    attributes: { type: 'array', items: attribute, maxItems: 2000 },
    steps: { type: 'array', items: step, minItems: 1, maxItems: 500 },
  },
  required: ['name', 'title', 'entityType', 'identifiers', 'attributes', 'steps'],
  additionalProperties: false,
};
