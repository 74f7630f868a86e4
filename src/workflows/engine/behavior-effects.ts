import type { JsonValue } from '../../platform/json/json-value.js';
import type { RecordError } from '../../records/target.js';
import type {
  ActionEffect,
  AttributeEffect,
  MailEffect,
  WebhookEffect,
} from '../behaviors/action-effects.js';
import { NOW, type RenderedTemplate, renderMail, valueText } from '../behaviors/template.js';
import type { AttributeType, InstanceStatus } from '../definition.js';
import { escapeOption } from '../rows/values/attribute-values.js';
import { quoted, RowSource, ValueError } from '../rows/values/value-type.js';
import type { Changes, InstanceState } from './instance-state.js';
import { attributesText, changesText } from './log.sql.js';

/**
 * A mail or webhook to send after the commit. It shows the instance as the record left it; later changes do not affect
 * it.
 */
export type OwedBehavior = { line: number; instance: InstanceState; number: number; action: string } & (
  | { kind: 'sendEmail'; recipient: string; mail: RenderedTemplate }
  | {
      kind: 'webhook';
      url: string;
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
  { kind, number, action, url, secret }: WebhookEffect,
  instance: InstanceState,
  changes: Changes,
  line: number,
): OwedBehavior {
  return {
    ...{ kind, number, action, line, instance, url, secret },
    status: instance.status,
    step: instance.step,
    attributes: attributesText(instance.attributes),
    changes: changesText(changes),
  };
}

function textOf(instance: InstanceState, name: string, now: string): string {
  return name === NOW ? now : valueText(instance.attributes.get(name));
}
