import { isWebhookSecret, isWebhookUrl } from '../../delivery/webhook-message.js';
import type { ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { NOW, Template } from '../behaviors/template.js';
import { ATTRIBUTE_TYPES, type AttributeDefinition, type AttributeType } from '../definition.js';
import { isEmail, valueTypeOf } from '../rows/values/attribute-values.js';
import { RowSource, ValueError } from '../rows/values/value-type.js';
import { type ChainedAction, chainProblems } from './action-chains.js';
import { hint, type Part, partsOf, type Refuse, textOf } from './definition-parts.js';

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
