import type { ProblemDetail } from '../../platform/domain-error.js';
import { findAction } from '../behaviors/action-effects.js';
import { hint, type Part } from './definition-parts.js';

/** How many levels deep actions can perform each other. */
const LONGEST_CHAIN = 5;
/**
 * The most behaviors of one action, including those of the actions it performs, because each record performs them all.
 */
const MOST_BEHAVIORS = 100;
/** The most actions of a chain that a message lists. */
const MOST_NAMED = 20;

export interface ChainedAction {
  /** Identical for all actions of a step. */
  step: string;
  name: unknown;
  behaviors: readonly Part[];
}

interface Link {
  to: ChainedAction;
  pointer: string;
}

/** Mistakes in actions that perform others: unknown actions, cycles, chains that are too long, too many behaviors. */
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
      const message = `with the actions it performs, the action has more than ${MOST_BEHAVIORS} behaviors`;
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
      const message = `"${value.action}" is an action of several other steps; rename one of them`;
      problems.push({ pointer, code: 'ambiguous_action', message });
    } else {
      const names = actions.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
      const message = `"${value.action}" is not an action of the workflow${hint(value.action, names)}`;
      problems.push({ pointer, code: 'unknown_action', message });
    }
    return [];
  });
}

/**
 * The depth of each action, up to one more than the limit, and its number of behaviors. The function runs one round per
 * link of a chain. So the cost does not depend on the number of paths through the actions, and cycles need no special
 * treatment.
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

/** Reports the chain that is too long, up to the action at which it repeats. */
function endlessChain(
  start: ChainedAction,
  links: Links,
  heights: ReadonlyMap<ChainedAction, number>,
): ProblemDetail {
  const chain = [start];
  let pointer: string | undefined;
  let next = deepestLink(start, links, heights);
  while (next !== undefined && chain.length <= MOST_NAMED) {
    pointer ??= next.pointer;
    const isBack = chain.includes(next.to);
    chain.push(next.to);
    if (isBack) {
      const message = `the actions would perform each other forever: ${listed(chain)}`;
      return { pointer, code: 'action_cycle', message };
    }
    next = deepestLink(next.to, links, heights);
  }
  const message = `actions can perform each other at most ${LONGEST_CHAIN} levels deep; this chain is longer: ${listed(chain)}`;
  return { pointer: pointer ?? '', code: 'chain_too_long', message };
}

function deepestLink(
  action: ChainedAction,
  links: Links,
  heights: ReadonlyMap<ChainedAction, number>,
): Link | undefined {
  return (links.get(action) ?? []).toSorted((a, b) => heightOf(heights, b.to) - heightOf(heights, a.to))[0];
}

function heightOf(heights: ReadonlyMap<ChainedAction, number>, action: ChainedAction): number {
  return heights.get(action) ?? 0;
}

function listed(chain: readonly ChainedAction[]): string {
  return chain.map(({ name }) => `"${String(name)}"`).join(' → ');
}
