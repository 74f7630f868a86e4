import type { JsonObject } from '../../platform/json/json-value.js';
import type { WorkflowDefinition } from '../definition.js';

/** Responses show this in place of a secret. A client that sends it back in a definition keeps the stored secret. */
export const HIDDEN_SECRET = '********';

/**
 * Restores the stored secrets that the definition in the request hides. A secret belongs to the same address in the
 * action with the same id; if that action has several webhooks to one address, their order decides. In any other case,
 * and if it is unclear which secret is meant, the placeholder stays and is then refused as an invalid secret. The
 * receiver would refuse a webhook signed with the wrong secret, and no one here would know why.
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

/** The secrets behind the placeholders among the webhooks of one place; empty if they are unclear. */
function secretsInOrder(sent: readonly JsonObject[], stored: readonly JsonObject[]): unknown[] {
  const hidden = sent.filter(({ secret }) => secret === HIDDEN_SECRET);
  const known = stored.flatMap(({ secret }) => (secret === undefined ? [] : [secret]));
  // The stored webhooks share one secret, so it does not matter whether a webhook was added or removed.
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
