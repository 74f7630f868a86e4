import type { ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { nearestName } from '../../platform/wording.js';
import { findAction } from '../behaviors/action-effects.js';

/** Actions that one action may perform one through the other. */
export const LONGEST_CHAIN = 5;
/** Behaviors of one action, those of the actions it performs included: each record performs them all. */
export const MOST_BEHAVIORS = 100;
/** Actions of a chain that a message has room for. */
const MOST_NAMED = 20;

export interface ChainedAction {
  /** The same for all actions of a step. */
  step: string;
  name: unknown;
  behaviors: readonly { value: JsonObject; pointer: string }[];
}

interface Link {
  to: ChainedAction;
  pointer: string;
}

/** What is wrong with actions that perform others: unknown ones, cycles, chains too long, behaviors too many. */
export function chainProblems(actions: readonly ChainedAction[]): ProblemDetail[] {
  const problems: ProblemDetail[] = [];
  const links = new Map(actions.map((action) => [action, linksOf(action, actions, problems)]));
  const { heights, counts } = measure(actions, links);
  for (const [action, [first]] of links) {
    if (first === undefined) continue;
    const { pointer } = first;
    if (heightOf(heights, action) > LONGEST_CHAIN) {
      problems.push(endlessChain(action, links, heights));
    } else if ((counts.get(action) ?? 0) > MOST_BEHAVIORS) {
      const message = `with the actions it performs, the action comes to more than ${MOST_BEHAVIORS} behaviors`;
      problems.push({ pointer, code: 'too_many_behaviors', message });
    }
  }
  return problems;
}

type Links = ReadonlyMap<ChainedAction, readonly Link[]>;

function linksOf(
  action: ChainedAction,
  actions: readonly ChainedAction[],
  problems: ProblemDetail[],
): Link[] {
  return action.behaviors.flatMap(({ value, pointer: behavior }) => {
    if (value.kind !== 'performAction' || typeof value.action !== 'string') return [];
    const pointer = `${behavior}/action`;
    const to = findAction(actions, value.action, action.step);
    if (typeof to !== 'string') return [{ to, pointer }];
    if (to === 'ambiguous') {
      const message = `"${value.action}" is an action of several other steps; give one of them another name`;
      problems.push({ pointer, code: 'ambiguous_action', message });
    } else {
      const names = actions.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
      const nearest = nearestName(value.action, names);
      const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
      const message = `"${value.action}" is not an action of the workflow${hint}`;
      problems.push({ pointer, code: 'unknown_action', message });
    }
    return [];
  });
}

/**
 * How deep each action goes, up to one more than is allowed, and how many behaviors it comes to. In rounds, one per
 * step of a chain: that is quick however many ways through the actions there are, and cycles need no care.
 */
function measure(actions: readonly ChainedAction[], links: Links) {
  let heights = new Map<ChainedAction, number>();
  let counts = new Map<ChainedAction, number>();
  for (let round = 0; round <= LONGEST_CHAIN + 1; round += 1) {
    const [lower, fewer] = [heights, counts];
    const ends = (action: ChainedAction) => (links.get(action) ?? []).map(({ to }) => to);
    heights = new Map(
      actions.map((action) => [
        action,
        round === 0 ? 0 : Math.max(0, ...ends(action).map((to) => heightOf(lower, to) + 1)),
      ]),
    );
    counts = new Map(
      actions.map((action) => [
        action,
        ends(action).reduce((count, to) => count + (fewer.get(to) ?? 0), action.behaviors.length),
      ]),
    );
  }
  return { heights, counts };
}

/** Names the chain that goes on too long, to where it comes back if it does. */
function endlessChain(
  start: ChainedAction,
  links: Links,
  heights: ReadonlyMap<ChainedAction, number>,
): ProblemDetail {
  const chain = [start];
  let pointer: string | undefined;
  for (let action = start; chain.length <= MOST_NAMED;) {
    const [next] = (links.get(action) ?? []).toSorted(
      (a, b) => heightOf(heights, b.to) - heightOf(heights, a.to),
    );
    if (next === undefined) break;
    pointer ??= next.pointer;
    action = next.to;
    const isBack = chain.includes(action);
    chain.push(action);
    if (!isBack) continue;
    const message = `the actions would perform each other for ever: ${told(chain)}`;
    return { pointer, code: 'action_cycle', message };
  }
  const message = `actions may perform each other ${LONGEST_CHAIN} deep; this goes on: ${told(chain)}`;
  return { pointer: pointer ?? '', code: 'chain_too_long', message };
}

function heightOf(heights: ReadonlyMap<ChainedAction, number>, action: ChainedAction): number {
  return heights.get(action) ?? 0;
}

function told(chain: readonly ChainedAction[]): string {
  return chain.map(({ name }) => `"${String(name)}"`).join(' → ');
}
