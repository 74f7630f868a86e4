import type { JsonObject } from '../../common/json.js';
import type { WorkflowDefinition } from '../definition.js';

/** What is answered in place of a secret. Sent back with the rest, it means the secret that is stored. */
export const HIDDEN_SECRET = '********';

/** The definition as it may be shown: who may read it need not be able to sign in our name. */
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
 * Puts the stored secrets back where they are hidden in what somebody sends: for the same address in the action of the
 * same id. Elsewhere it stays hidden, and is then refused as a secret that is none.
 */
export function restoreSecrets(source: unknown, current: WorkflowDefinition): unknown {
  const stored = new Map<string, string>();
  for (const { id, behaviors = [] } of current.steps.flatMap(({ actions }) => actions)) {
    for (const behavior of behaviors) {
      if (behavior.kind !== 'webhook' || behavior.secret === undefined) continue;
      stored.set(keyOf(id, behavior.url), behavior.secret);
    }
  }
  if (stored.size === 0 || !isObject(source)) return source;
  return mapMembers(source, 'steps', (step) =>
    mapMembers(step, 'actions', (action) =>
      mapMembers(action, 'behaviors', (behavior) => {
        if (behavior.secret !== HIDDEN_SECRET) return behavior;
        return { ...behavior, secret: stored.get(keyOf(action.id, behavior.url)) ?? HIDDEN_SECRET };
      }),
    ),
  );
}

function mapMembers(parent: JsonObject, name: string, change: (part: JsonObject) => JsonObject): JsonObject {
  const list = parent[name];
  if (!Array.isArray(list)) return parent;
  return { ...parent, [name]: list.map((part) => (isObject(part) ? change(part) : part)) };
}

function keyOf(id: unknown, url: unknown): string {
  return JSON.stringify([id, url]);
}

function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
