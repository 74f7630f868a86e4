import { isWebhookSecret, isWebhookUrl } from '../../delivery/webhook-endpoint.js';
import type { ProblemDetail } from '../../platform/errors.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { findAction } from '../behaviors/action-effects.js';
import { NOW, Template } from '../behaviors/template.js';
import {
  ATTRIBUTE_TYPES,
  type AttributeDefinition,
  type AttributeType,
  hint,
  type Part,
  partsOf,
  type Refuse,
  textOf,
} from '../definition.js';
import { isEmail } from '../rows/values/attribute-values.js';
import { valueTypeOf } from '../rows/values/attribute-values.js';
import { RowSource, ValueError } from '../rows/values/value-type.js';

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  sendEmail: ['to', 'subject', 'template'],
  setAttribute: ['name', 'value'],
  webhook: ['url', 'secret'],
  performAction: ['action'],
};
const OPTIONAL: readonly string[] = ['secret'];
const ADDRESS_TYPES: readonly unknown[] = ['Email', 'ShortText', 'LongText'];

/** Mistakes in the behaviors of a definition. Parts of the wrong shape are skipped, because the schema reports them. */
export function behaviorProblems(source: JsonObject): ProblemDetail[] {
  const names = new NamesOf(source);
  const problems: ProblemDetail[] = [];
  const refuse: Refuse = (pointer, code, message) => void problems.push({ pointer, code, message });
  const actions: ChainedAction[] = partsOf(source, 'steps').flatMap((step) =>
    partsOf(step.value, 'actions', step.pointer).map((action) => ({
      step: step.pointer,
      name: action.value.name,
      behaviors: partsOf(action.value, 'behaviors', action.pointer),
    })),
  );
  for (const { value, pointer } of actions.flatMap(({ behaviors }) => behaviors)) {
    checkMembers(value, pointer, refuse);
    if (value.kind === 'sendEmail') checkMail(value, pointer, names, refuse);
    if (value.kind === 'setAttribute') checkAttribute(value, pointer, names, refuse);
    if (value.kind === 'webhook') checkWebhook(value, pointer, refuse);
  }
  return [...problems, ...chainProblems(actions)];
}

/** The names that templates and recipients can use. */
class NamesOf {
  readonly identifiers: readonly string[];
  readonly attributes: ReadonlyMap<string, JsonObject>;

  constructor(source: JsonObject) {
    const named = (parts: readonly Part[]) =>
      parts.flatMap(({ value }) => (typeof value.name === 'string' ? [[value.name, value] as const] : []));
    this.identifiers = named(partsOf(source, 'identifiers')).map(([name]) => name);
    this.attributes = new Map(named(partsOf(source, 'attributes')));
  }

  get all(): string[] {
    return [...this.identifiers, ...this.attributes.keys()];
  }
}

function checkMembers(behavior: JsonObject, pointer: string, refuse: Refuse): void {
  const { kind } = behavior;
  if (typeof kind !== 'string') return;
  const members = MEMBERS[kind];
  if (members === undefined) return;
  for (const member of members) {
    if (behavior[member] === undefined && !OPTIONAL.includes(member)) {
      refuse(`${pointer}/${member}`, 'required', `is required for "${kind}"`);
    }
  }
  for (const member of Object.values(MEMBERS).flat()) {
    if (behavior[member] === undefined || members.includes(member)) continue;
    refuse(`${pointer}/${member}`, 'not_applicable', `is not for "${kind}"`);
  }
}

function checkMail({ to, subject, template }: JsonObject, pointer: string, names: NamesOf, refuse: Refuse) {
  checkTemplate(subject, `${pointer}/subject`, names, refuse);
  checkTemplate(template, `${pointer}/template`, names, refuse);
  if (typeof to !== 'string' || names.identifiers.includes(to)) return;
  const attribute = names.attributes.get(to);
  const place = `${pointer}/to`;
  if (attribute === undefined) {
    if (isEmail(to)) return;
    const known = hint(to, names.all);
    const rule = 'is neither an identifier or attribute of the workflow nor an e-mail address';
    refuse(place, 'unknown_recipient', `"${to}" ${rule}${known}`);
  } else if (!ADDRESS_TYPES.includes(attribute.type)) {
    refuse(
      place,
      'not_applicable',
      `"${to}" is of type ${textOf(attribute.type)}, which cannot hold an address`,
    );
  }
}

function checkAttribute({ name, value }: JsonObject, pointer: string, names: NamesOf, refuse: Refuse): void {
  const template = checkTemplate(value, `${pointer}/value`, names, refuse);
  if (typeof name !== 'string') return;
  const attribute = names.attributes.get(name);
  if (attribute === undefined) {
    const reason = names.identifiers.includes(name)
      ? 'is an identifier; only rows set identifiers, and behaviors set attributes'
      : `is not an attribute of the workflow${hint(name, [...names.attributes.keys()])}`;
    refuse(`${pointer}/name`, 'unknown_attribute', `"${name}" ${reason}`);
  } else if (template?.names.length === 0 && value !== '') {
    const refusal = refusalOf(attribute, textOf(value));
    if (refusal !== null) refuse(`${pointer}/value`, 'invalid_value', `${refusal}; "${name}" refuses it`);
  } else if (typeof template?.soleName === 'string') {
    const given = template.soleName === NOW ? NOW : names.attributes.get(template.soleName)?.type;
    if (!mayTake(attribute.type, given)) {
      const rule = `is of type ${textOf(attribute.type)} and can never have the value of {{${template.soleName}}}`;
      refuse(`${pointer}/value`, 'invalid_value', `"${name}" ${rule}`);
    }
  }
}

/**
 * A text can hold any value, so text types are not keys here. For each other type: the attribute types that accept its
 * values.
 */
const TAKEN_BY: Readonly<Record<string, readonly unknown[]>> = {
  [NOW]: ['Date', 'DateTime'],
  Date: ['Date'],
  DateTime: ['DateTime'],
  Numeric: ['Numeric', 'Boolean'],
  Boolean: ['Boolean'],
  Email: ['Email'],
  Url: ['Url'],
  MultiSelectList: ['MultiSelectList'],
};
const CHOSEN_OR_TEXT: readonly unknown[] = [
  'ShortText',
  'LongText',
  'RichText',
  'PickList',
  'MultiSelectList',
];

function mayTake(type: JsonValue | undefined, given: JsonValue | undefined): boolean {
  const takers = TAKEN_BY[textOf(given)];
  return takers === undefined || takers.includes(type) || CHOSEN_OR_TEXT.includes(type);
}

/** The reason why the attribute refuses the constant; `null` also if the attribute itself has the wrong shape. */
function refusalOf({ name, type, options, ...rest }: JsonObject, value: string): string | null {
  if (typeof name !== 'string' || !ATTRIBUTE_TYPES.includes(type as AttributeType)) return null;
  if (options !== undefined && !isListOfTexts(options)) return null;
  const bounds = Object.entries(rest).filter(([, bound]) => typeof bound === 'number');
  const attribute = { ...Object.fromEntries(bounds), name, type, options } as AttributeDefinition;
  const parsed = valueTypeOf(attribute).parse(value, new RowSource(JSON.stringify({ [name]: value })));
  return parsed instanceof ValueError ? parsed.rule : null;
}

function checkWebhook({ url, secret }: JsonObject, pointer: string, refuse: Refuse): void {
  if (typeof url === 'string' && !isWebhookUrl(url)) {
    const rule = 'must be an http or https address without a user name, password or fragment';
    refuse(`${pointer}/url`, 'invalid_value', rule);
  }
  if (typeof secret === 'string' && !isWebhookSecret(secret)) {
    refuse(`${pointer}/secret`, 'invalid_value', 'must be "whsec_" and 24 to 64 bytes in base64');
  }
}

function checkTemplate(
  text: JsonValue | undefined,
  place: string,
  names: NamesOf,
  refuse: Refuse,
): Template | undefined {
  if (typeof text !== 'string') return undefined;
  const template = Template.parse(text);
  if (template.isMalformed) {
    const rule = 'has braces that are not a placeholder; write placeholders as {{First Name}}';
    refuse(place, 'malformed_template', rule);
  }
  const known = [...names.all, NOW];
  for (const name of new Set(template.names.filter((each) => !known.includes(each)))) {
    const rule = `is neither an identifier nor an attribute of the workflow, nor "${NOW}"${hint(name, known)}`;
    refuse(place, 'unknown_attribute', `"${name}" ${rule}`);
  }
  return template;
}

function isListOfTexts(value: JsonValue): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** How many levels deep actions can perform each other. */
const LONGEST_CHAIN = 5;
/**
 * The most behaviors of one action, including those of the actions it performs, because each record performs them all.
 */
const MOST_BEHAVIORS = 100;
/** The most actions of a chain that a message lists. */
const MOST_NAMED = 20;

interface ChainedAction {
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
function chainProblems(actions: readonly ChainedAction[]): ProblemDetail[] {
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
