import type { JsonObject } from '../platform/json/json-value.js';

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

/** `makeIncomplete` sets the first, the completing primaries the others. */
export const INSTANCE_STATUSES = [
  'incomplete',
  'completed_successfully',
  'completed_unsuccessfully',
] as const;
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];

export interface IdentifierDefinition {
  /** Begins with a colon, for example `:Email`. */
  name: string;
  /** At most one instance of the workflow can carry a value. */
  unique: boolean;
  format?: 'email';
  caseInsensitive?: boolean;
}

export interface AttributeDefinition {
  name: string;
  type: AttributeType;
  description?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  options?: string[];
}

export type PrimaryEffect =
  | { kind: 'save' }
  | { kind: 'moveToStep'; step: string }
  | { kind: 'completeSuccessfully' }
  | { kind: 'completeUnsuccessfully' }
  | { kind: 'makeIncomplete' };

/** A row (as `understoodRow` makes it) that meets `when` must also meet `require`, or it is rejected with the message. */
export interface ActionRule {
  /** JSON Schema 2020-12 of the row. */
  when: JsonObject;
  /** JSON Schema 2020-12 of the row. */
  require: JsonObject;
  message: string;
}

/** Performed after an action that changed something. Texts are templates: `{{First Name}}`, `{{:Email}}`, `{{now}}`. */
export type BehaviorDefinition =
  /** `to`: an identifier or attribute with the address, or a fixed address. */
  | { kind: 'sendEmail'; to: string; subject: string; template: string }
  /** In the transaction of the action. */
  | { kind: 'setAttribute'; name: string; value: string }
  | { kind: 'webhook'; url: string; secret?: string }
  /** The primary and the behaviors of another action, on the same instance. */
  | { kind: 'performAction'; action: string };

export interface ActionDefinition {
  id: number;
  name: string;
  /** Attributes that the action can set. */
  inputs: string[];
  /** Inputs that must have a value. */
  required?: string[];
  rules?: ActionRule[];
  primary: PrimaryEffect;
  behaviors?: BehaviorDefinition[];
}

export interface StepDefinition {
  name: string;
  /** Data import steps lie outside the step sequence: their actions can be performed at any time. */
  kind: 'dataEntry' | 'dataImport';
  /** Whether a data import step's actions can be performed on a completed instance. */
  actsOnTerminal?: boolean;
  actions: ActionDefinition[];
}

/** A kind of thing: its attributes, the identifiers that find it, and the actions that change it. */
export interface WorkflowDefinition {
  name: string;
  title: string;
  entityType: string;
  identifiers: IdentifierDefinition[];
  attributes: AttributeDefinition[];
  steps: StepDefinition[];
}

/** The `target` of an import process of kind `workflow`. */
export interface WorkflowTargetConfiguration {
  kind: 'workflow';
  workflow: string;
  step: string;
  /** Name of the action for rows that do not choose one. */
  action?: string;
  onNoMatch: 'create' | 'reject';
  onMatch: 'update' | 'reject' | 'skip';
  /** Sends no mail and no webhook, for example for a bulk load. Behaviors that change the instance still run. */
  muteBehaviors?: boolean;
}

/** A definition in answers of routes. */
export interface VersionedWorkflowDefinition extends WorkflowDefinition {
  version: number;
}
