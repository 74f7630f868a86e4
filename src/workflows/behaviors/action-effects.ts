import type { BehaviorRow } from '../../delivery/outbox.sql.js';
import { receiverOf } from '../../delivery/webhook-endpoint.js';
import { attributesText, changesText, type JsonValue } from '../../platform/json/json-value.js';
import type { SecretBox } from '../../platform/secret-box.js';
import { escapeOption } from '../../records/rows.js';
import type { RecordError } from '../../records/target.js';
import type {
  ActionDefinition,
  AttributeType,
  BehaviorDefinition,
  InstanceStatus,
  PrimaryEffect,
  StepDefinition,
  WorkflowDefinition,
} from '../definition.js';
import type { Changes, InstanceState } from '../engine/instance-state.js';
import { isEmail } from '../rows/values/attribute-values.js';
import { valueTypeOf } from '../rows/values/attribute-values.js';
import { quoted, RowSource, ValueError, type ValueType } from '../rows/values/value-type.js';
import {
  mailTemplate,
  type MailTemplate,
  NOW,
  type RenderedTemplate,
  renderMail,
  Template,
  valueText,
} from './template.js';

/** An action as other actions refer to it: by name within a step. */
interface NamedAction {
  step: string;
  name: unknown;
}

/**
 * Finds the action that a `performAction` refers to: the action of that name in the same step, or else the only one in
 * the workflow. Names are unique only within a step.
 */
export function findAction<Action extends NamedAction>(
  actions: readonly Action[],
  name: string,
  step: string,
): Action | 'unknown' | 'ambiguous' {
  const named = actions.filter((action) => action.name === name);
  const [found, another] = named;
  if (found === undefined) return 'unknown';
  return named.find((action) => action.step === step) ?? (another === undefined ? found : 'ambiguous');
}

/** Sets an attribute, in the transaction of the action. */
interface AttributeEffect {
  kind: 'setAttribute';
  name: string;
  value: Template;
  type: ValueType;
  attributeType: AttributeType;
}

/** An effect that is sent after the commit. `number`: its place among all effects of the action. */
interface OutgoingEffect {
  number: number;
  /** The action that the behavior belongs to, which can differ from the action of the row. */
  action: string;
}

interface MailEffect extends OutgoingEffect, MailTemplate {
  kind: 'sendEmail';
  /** An identifier, an attribute, or (as `address`) a fixed address. */
  to: { name: string } | { address: string };
}

interface WebhookEffect extends OutgoingEffect {
  kind: 'webhook';
  /** As the outbox stores it. */
  url: string;
  /** See `receiverOf`. */
  receiver: string;
  secret: string | null;
}

export type ActionEffect =
  AttributeEffect | { kind: 'primary'; primary: PrimaryEffect } | MailEffect | WebhookEffect;

/**
 * The effects by action id, for each action that has effects. They run after the action's inputs and primary have
 * changed something.
 */
export type ActionEffects = ReadonlyMap<number, readonly ActionEffect[]>;

/**
 * Compiles the behaviors of a step's actions for many records. The actions that they perform are inlined in order.
 * Saving a definition checks the chains, so every chain ends.
 * @param isMuted omits mails and webhooks
 * @param secrets encrypts the URLs of webhooks once, not for each record
 */
export function compileEffects(
  definition: WorkflowDefinition,
  step: StepDefinition,
  isMuted: boolean,
  secrets: SecretBox,
): ActionEffects {
  const compiler = new EffectCompiler(definition, secrets);
  const compiled = step.actions.map((action) => {
    const effects = compiler.compile(action, step.name);
    return [action.id, isMuted ? effects.filter(changesInstance) : effects] as const;
  });
  return new Map(compiled.filter(([, effects]) => effects.length > 0));
}

function changesInstance({ kind }: ActionEffect): boolean {
  return kind === 'setAttribute' || kind === 'primary';
}

class EffectCompiler {
  private readonly actions: readonly (ActionDefinition & { step: string })[];
  private readonly types = new Map<string, ValueType>();

  constructor(
    private readonly definition: WorkflowDefinition,
    private readonly secrets: SecretBox,
  ) {
    this.actions = definition.steps.flatMap(({ name: step, actions }) =>
      actions.map((action) => ({ ...action, step })),
    );
  }

  compile(action: ActionDefinition, step: string): ActionEffect[] {
    const effects: ActionEffect[] = [];
    this.append(effects, action, step);
    return effects;
  }

  private append(effects: ActionEffect[], { name, behaviors = [] }: ActionDefinition, step: string): void {
    for (const behavior of behaviors) {
      if (behavior.kind === 'performAction') {
        const action = findAction(this.actions, behavior.action, step);
        if (typeof action === 'string') throw new Error(`"${behavior.action}" is an ${action} action`);
        effects.push({ kind: 'primary', primary: action.primary });
        this.append(effects, action, action.step);
      } else {
        effects.push(this.effect(behavior, effects.length + 1, name));
      }
    }
  }

  private effect(
    behavior: Exclude<BehaviorDefinition, { kind: 'performAction' }>,
    number: number,
    action: string,
  ): ActionEffect {
    switch (behavior.kind) {
      case 'setAttribute':
        return this.attributeEffect(behavior.name, behavior.value);
      case 'sendEmail': {
        const { kind, to, subject, template } = behavior;
        const { identifiers, attributes } = this.definition;
        const isNamed = [...identifiers, ...attributes].some(({ name }) => name === to);
        const recipient = isNamed ? { name: to } : { address: to };
        return { kind, number, action, to: recipient, ...mailTemplate(subject, template) };
      }
      case 'webhook': {
        const { kind, url, secret = null } = behavior;
        return { kind, number, action, url: this.secrets.seal(url), receiver: receiverOf(url), secret };
      }
    }
  }

  private attributeEffect(name: string, value: string): AttributeEffect {
    const attribute = this.definition.attributes.find((each) => each.name === name);
    if (attribute === undefined) throw new Error(`a behavior sets "${name}", which is not an attribute`);
    const type = this.types.get(name) ?? valueTypeOf(attribute);
    this.types.set(name, type);
    return {
      kind: 'setAttribute',
      name,
      value: Template.parse(value),
      type,
      attributeType: attribute.type,
    };
  }
}

/**
 * A mail or webhook to send after the commit. It shows the instance as the record left it; later changes do not affect
 * it.
 */
export type OwedBehavior = { line: number; instance: InstanceState; number: number; action: string } & (
  | { kind: 'sendEmail'; recipient: string; mail: RenderedTemplate }
  | {
      kind: 'webhook';
      url: string;
      receiver: string;
      secret: string | null;
      status: InstanceStatus;
      step: string | null;
      /** JSON texts. */
      attributes: string;
      changes: string;
    }
);

/** Sets the attributes and performs the primaries; adds to the changes of the row. */
export function changeByEffects(
  instance: InstanceState,
  effects: readonly ActionEffect[],
  now: string,
  changes: Changes,
): RecordError | null {
  for (const effect of effects) {
    if (effect.kind === 'primary') {
      instance.performPrimary(effect.primary, changes);
    } else if (effect.kind === 'setAttribute') {
      const value = valueOf(effect, instance, now);
      if (value instanceof ValueError) return refused(effect, value);
      instance.setAttribute(effect.name, value, changes);
    }
  }
  return null;
}

/** The mails and webhooks of a record. They show the instance as the whole record left it. */
export function owedBy(
  instance: InstanceState,
  effects: readonly ActionEffect[],
  now: string,
  changes: Changes,
  line: number,
): OwedBehavior[] {
  return effects.flatMap((effect) => {
    if (effect.kind === 'sendEmail') return [mailOf(effect, instance, now, line)];
    return effect.kind === 'webhook' ? [webhookOf(effect, instance, changes, line)] : [];
  });
}

function valueOf(
  { name, value, type, attributeType }: AttributeEffect,
  instance: InstanceState,
  now: string,
): JsonValue | ValueError {
  const sole =
    value.soleName === null || value.soleName === NOW ? null : instance.attributes.get(value.soleName);
  const written =
    sole !== undefined && sole !== null && isTakenAsItIs(sole, attributeType)
      ? sole
      : value.render((each) => partOf(instance, each, attributeType, now));
  if (written === '') return null;
  return type.parse(written, new RowSource(JSON.stringify({ [name]: written })));
}

/**
 * Whether the value of a single placeholder fits the attribute directly: lists and numbers then need no conversion to
 * text.
 */
function isTakenAsItIs(value: JsonValue, type: AttributeType): boolean {
  if (Array.isArray(value)) return type === 'MultiSelectList';
  return typeof value !== 'number' || type === 'Numeric';
}

/** A Date gets the day of `{{now}}` in UTC; a MultiSelectList gets another MultiSelectList in the form of a row. */
function partOf(instance: InstanceState, name: string, type: AttributeType, now: string): string {
  if (name === NOW) return type === 'Date' ? now.slice(0, 10) : now;
  const value = instance.attributes.get(name);
  if (type !== 'MultiSelectList' || !Array.isArray(value)) return valueText(value);
  return value.map((option) => escapeOption(valueText(option))).join(';');
}

function refused({ name }: AttributeEffect, { rule }: ValueError): RecordError {
  const message = `the behavior that sets ${quoted(name)} produced a value that the attribute refuses: it ${rule}`;
  return { code: 'behavior_value_refused', message };
}

function mailOf(effect: MailEffect, instance: InstanceState, now: string, line: number): OwedBehavior {
  const { kind, number, action, to } = effect;
  const recipient = 'address' in to ? to.address : valueText(instance.attributes.get(to.name));
  const mail = renderMail(effect, (name) => textOf(instance, name, now));
  return { kind, number, action, line, instance, recipient, mail };
}

function webhookOf(
  { kind, number, action, url, receiver, secret }: WebhookEffect,
  instance: InstanceState,
  changes: Changes,
  line: number,
): OwedBehavior {
  return {
    ...{ kind, number, action, line, instance, url, receiver, secret },
    status: instance.status,
    step: instance.step,
    attributes: attributesText(instance.attributes),
    changes: changesText(changes),
  };
}

function textOf(instance: InstanceState, name: string, now: string): string {
  return name === NOW ? now : valueText(instance.attributes.get(name));
}

export interface BehaviorOrigin {
  workflow: string;
  batchId: number | null;
  /** ISO 8601. */
  now: string;
}

const NOTHING = {
  receiver: '',
  subject: null,
  textBody: null,
  htmlBody: null,
  jsonBody: null,
  secret: null,
} as const;

/** The outbox row of a behavior, once its instance has an id. */
export function behaviorRow(behavior: OwedBehavior, instanceId: number, origin: BehaviorOrigin): BehaviorRow {
  const { line, number, action, kind } = behavior;
  const row = { ...NOTHING, instanceId, line, number, action, kind };
  if (behavior.kind === 'webhook') {
    const { url, receiver, secret } = behavior;
    const jsonBody = webhookBody(behavior, instanceId, origin);
    return { ...row, recipient: url, receiver, secret, jsonBody, status: 'pending', error: null };
  }
  const { recipient, mail } = behavior;
  const { subject, text: textBody, html: htmlBody } = mail;
  const error = addressError(recipient);
  return {
    ...{ ...row, recipient, subject, textBody, htmlBody, error },
    status: error === null ? 'pending' : 'failed',
  };
}

/** A mail without a usable address is stored as failed instead of omitted, so that people see it. */
function addressError(recipient: string): string | null {
  if (recipient === '') return 'the instance has no address to send it to';
  return isEmail(recipient)
    ? null
    : 'the value where the instance should have its e-mail address is not an address';
}

/** Builds the body as text, so that values are sent exactly as they are stored. */
function webhookBody(
  { action, line, status, step, attributes, changes }: Extract<OwedBehavior, { kind: 'webhook' }>,
  instanceId: number,
  { workflow, batchId, now }: BehaviorOrigin,
): string {
  const source = { batchId, line: batchId === null ? null : line };
  const head = JSON.stringify({ workflow, action, instanceId, ...source, status, step }).slice(1, -1);
  const timestamp = JSON.stringify(now);
  return `{"type":"workflow.action.performed","timestamp":${timestamp},"data":{${head},"attributes":${attributes},"changes":${changes}}}`;
}
