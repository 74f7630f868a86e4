import type { JsonObject } from '../../platform/json/json-value.js';
import type { WorkflowDefinition } from '../definition.js';

/** Answered in place of a secret. Sent back in a definition, it stands for the stored secret. */
export const HIDDEN_SECRET = '********';

/** The definition without secrets: permission to read a definition does not include permission to sign as us. */
export function hideSecrets<Definition extends WorkflowDefinition>(definition: Definition): Definition {
  const steps = definition.steps.map((step) => ({
    ...step,
    actions: step.actions.map((action) => ({
      ...action,
      ...(action.behaviors !== undefined && {
        behaviors: action.behaviors.map((behavior) =>
          behavior.kind === 'webhook' && behavior.secret !== undefined
            ? { ...behavior, secret: HIDDEN_SECRET }
            : behavior,
        ),
      }),
    })),
  }));
  return { ...definition, steps };
}

/**
 * Puts the stored secrets back where the definition that was sent hides them: for the same address in the action with
 * the same id, and in order if that action has several webhooks to one address. Elsewhere, and where it is unclear which
 * secret is meant, the placeholder stays and is then refused as an invalid secret: a webhook signed with the wrong secret
 * would be refused by its receiver, and no one here would know why.
 */
export function restoreSecrets(source: unknown, current: WorkflowDefinition): unknown {
  const stored = webhooksByPlace(current);
  const secrets = new Map<string, Iterator<unknown, unknown>>();
  for (const [place, sent] of webhooksByPlace(source)) {
    secrets.set(place, secretsInOrder(sent, stored.get(place) ?? []).values());
  }
  return mapMembers(source, 'steps', (step) =>
    mapMembers(step, 'actions', (action) =>
      mapMembers(action, 'behaviors', (behavior) => {
        if (behavior.kind !== 'webhook' || behavior.secret !== HIDDEN_SECRET) return behavior;
        return { ...behavior, secret: secrets.get(placeOf(action, behavior))?.next().value ?? HIDDEN_SECRET };
      }),
    ),
  );
}

/** The secrets behind the placeholders among the webhooks of one place; empty where that is unclear. */
function secretsInOrder(sent: readonly JsonObject[], stored: readonly JsonObject[]): unknown[] {
  const hidden = sent.filter(({ secret }) => secret === HIDDEN_SECRET);
  const known = stored.flatMap(({ secret }) => (secret === undefined ? [] : [secret]));
  // Adding or removing a webhook beside it changes nothing.
  if (new Set(known).size === 1) return hidden.map(() => known[0]);
  if (hidden.length === known.length) return known;
  // Some webhooks got a new secret in the same place.
  if (sent.length !== stored.length) return [];
  return sent.flatMap(({ secret }, place) => (secret === HIDDEN_SECRET ? [stored[place]?.secret] : []));
}

/** All webhooks of a definition, by action and address, in order. */
function webhooksByPlace(definition: unknown): Map<string, JsonObject[]> {
  const places = new Map<string, JsonObject[]>();
  for (const action of membersOf(definition, 'steps').flatMap((step) => membersOf(step, 'actions'))) {
    for (const behavior of membersOf(action, 'behaviors')) {
      if (behavior.kind !== 'webhook') continue;
      const place = placeOf(action, behavior);
      const webhooks = places.get(place);
      if (webhooks === undefined) places.set(place, [behavior]);
      else webhooks.push(behavior);
    }
  }
  return places;
}

function placeOf(action: JsonObject, webhook: JsonObject): string {
  return JSON.stringify([action.id, webhook.url]);
}

function membersOf(parent: unknown, name: string): JsonObject[] {
  const list = isObject(parent) ? parent[name] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function mapMembers(parent: unknown, name: string, change: (part: JsonObject) => unknown): unknown {
  if (!isObject(parent)) return parent;
  const list = parent[name];
  if (!Array.isArray(list)) return parent;
  return { ...parent, [name]: list.map((part) => (isObject(part) ? change(part) : part)) };
}

function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
