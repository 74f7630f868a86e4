import type {
  ActionDefinition,
  AttributeType,
  BehaviorDefinition,
  PrimaryEffect,
  StepDefinition,
  WorkflowDefinition,
} from '../definition.js';
import { valueTypeOf } from '../rows/values/attribute-values.js';
import type { ValueType } from '../rows/values/value-type.js';
import { mailTemplate, type MailTemplate, Template } from './template.js';

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
export interface AttributeEffect {
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

export interface MailEffect extends OutgoingEffect, MailTemplate {
  kind: 'sendEmail';
  /** An identifier, an attribute, or (as `address`) a fixed address. */
  to: { name: string } | { address: string };
}

export interface WebhookEffect extends OutgoingEffect {
  kind: 'webhook';
  url: string;
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
 */
export function compileEffects(
  definition: WorkflowDefinition,
  step: StepDefinition,
  isMuted: boolean,
): ActionEffects {
  const compiler = new EffectCompiler(definition);
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

  constructor(private readonly definition: WorkflowDefinition) {
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
        return { kind, number, action, url, secret };
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
