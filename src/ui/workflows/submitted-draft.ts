import { ATTRIBUTE_TYPES } from '../../workflows/definition.js';
import { type Join, NO_CONDITIONS, type Operator, OPERATORS } from './conditions.js';
import {
  type ActionDraft,
  BEHAVIOR_KINDS,
  newAction,
  newAttribute,
  newBehavior,
  newCondition,
  type SchemaDraft,
  type WorkflowDraft,
} from './workflow-draft.js';

/*
 * A draft as a form sent it, and what the buttons beside its parts do.
 */

type Tree = { [name: string]: Tree } & { '': string[] };

/** The inputs of a form by their places: `steps.0.name` becomes `steps` › `0` › `name`. */
function treeOf(form: object): Tree {
  const root = branch();
  for (const [key, value] of Object.entries(form)) {
    if (!/^[a-zA-Z]+(\.(\d{1,4}|[a-zA-Z]+))*$/.test(key)) continue;
    let node = root;
    for (const part of key.split('.')) node = node[part] ??= branch();
    node[''] = (Array.isArray(value) ? value : [value]).filter(
      (item): item is string => typeof item === 'string',
    );
  }
  return root;
}

const branch = (): Tree => Object.assign(Object.create(null) as Tree, { '': [] });

/** What a form sent, with every reference to a part following its new name. */
export function draftFrom(form: unknown): WorkflowDraft {
  const tree = treeOf(form ?? {});
  const draft: WorkflowDraft = {
    ...{ name: line(tree, 'name'), title: line(tree, 'title'), entityType: line(tree, 'entityType') },
    version: line(tree, 'version'),
    identifiers: list(tree, 'identifiers').map((node) => ({
      was: line(node, 'was'),
      name: line(node, 'name').replace(/^:+/, ''),
      unique: ticked(node, 'unique'),
      email: ticked(node, 'email'),
      caseInsensitive: ticked(node, 'caseInsensitive'),
    })),
    attributes: list(tree, 'attributes').map((node) => ({
      ...{ was: line(node, 'was'), name: line(node, 'name'), description: line(node, 'description') },
      type: ATTRIBUTE_TYPES.find((type) => type === line(node, 'type')) ?? 'ShortText',
      options: raw(node, 'options').replace(/\r\n?/g, '\n'),
      maxLength: line(node, 'maxLength'),
      minimum: line(node, 'minimum'),
      maximum: line(node, 'maximum'),
    })),
    steps: list(tree, 'steps').map((node) => ({
      ...{ was: line(node, 'was'), name: line(node, 'name'), kind: line(node, 'kind') },
      actsOnTerminal: ticked(node, 'actsOnTerminal'),
      actions: list(node, 'actions').map(actionFrom),
    })),
  };
  return withNewFields(renamed(draft));
}

const raw = (node: Tree, name: string): string => node[name]?.[''].at(-1) ?? '';
const line = (node: Tree, name: string): string => raw(node, name).trim();
const ticked = (node: Tree, name: string): boolean => raw(node, name) !== '';
const list = (node: Tree, name: string): Tree[] =>
  Object.entries(node[name] ?? {})
    .filter(([index]) => /^\d+$/.test(index))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, child]) => child as Tree);

function actionFrom(node: Tree): ActionDraft {
  return {
    ...{ was: line(node, 'was'), id: line(node, 'id'), name: line(node, 'name') },
    ...{ sets: node.sets?.[''] ?? [], requires: node.requires?.[''] ?? [] },
    ...{ primary: line(node, 'primary'), primaryStep: line(node, 'primaryStep') },
    rules: list(node, 'rules').map((rule) => ({
      when: schemaFrom(rule.when),
      require: schemaFrom(rule.require),
      message: line(rule, 'message'),
    })),
    behaviors: list(node, 'behaviors').map((behavior) => ({
      kind: BEHAVIOR_KINDS.find((kind) => kind === line(behavior, 'kind')) ?? 'sendEmail',
      ...{ to: line(behavior, 'to'), address: line(behavior, 'address'), subject: raw(behavior, 'subject') },
      template: raw(behavior, 'template').replace(/\r\n?/g, '\n'),
      ...{ name: line(behavior, 'name'), value: raw(behavior, 'value'), action: line(behavior, 'action') },
      ...{ url: line(behavior, 'url'), secret: line(behavior, 'secret') },
    })),
  };
}

function schemaFrom(node: Tree | undefined): SchemaDraft {
  if (node === undefined) return NO_CONDITIONS;
  return {
    join: line(node, 'join') === 'any' ? 'any' : ('all' satisfies Join),
    conditions: list(node, 'conditions').map((condition) => ({
      field: line(condition, 'field'),
      operator:
        OPERATORS.find((operator): operator is Operator => operator === line(condition, 'operator')) ?? 'is',
      value: raw(condition, 'value'),
    })),
    ...(node.json !== undefined && { json: raw(node, 'json') }),
  };
}

/** Lets actions, rules, mails and steps follow the new names of what they refer to. */
function renamed(draft: WorkflowDraft): WorkflowDraft {
  const fields = new Map<string, string>();
  for (const { was, name } of draft.attributes) if (was !== '' && name !== '') fields.set(was, name);
  for (const { was, name } of draft.identifiers) if (was !== '' && name !== '') fields.set(was, `:${name}`);
  const namesOf = (parts: readonly { was: string; name: string }[]) =>
    new Map(parts.flatMap(({ was, name }) => (was === '' || name === '' ? [] : [[was, name] as const])));
  const steps = namesOf(draft.steps);
  const actions = namesOf(draft.steps.flatMap((step) => step.actions));
  const field = (name: string) => fields.get(name) ?? name;
  const template = (source: string) =>
    source.replace(/\{\{\s*([^{}]+?)\s*\}\}/g, (all, name: string) =>
      field(name) === name ? all : `{{${field(name)}}}`,
    );
  const schema = ({ conditions, ...rest }: SchemaDraft): SchemaDraft => ({
    ...rest,
    conditions: conditions.map((condition) => ({ ...condition, field: field(condition.field) })),
  });
  return {
    ...draft,
    steps: draft.steps.map((step) => ({
      ...step,
      actions: step.actions.map((action) => ({
        ...action,
        sets: action.sets.map(field),
        requires: action.requires.map(field),
        primaryStep: steps.get(action.primaryStep) ?? action.primaryStep,
        rules: action.rules.map(({ when, require, message }) => ({
          ...{ when: schema(when), require: schema(require), message },
        })),
        behaviors: action.behaviors.map((behavior) => ({
          ...behavior,
          to: field(behavior.to),
          name: field(behavior.name),
          subject: template(behavior.subject),
          template: template(behavior.template),
          value: template(behavior.value),
          action: actions.get(behavior.action) ?? behavior.action,
        })),
      })),
    })),
  };
}

/** An action that imports takes new fields, too. A field that is gone leaves every action. */
function withNewFields(draft: WorkflowDraft): WorkflowDraft {
  const added = draft.attributes.filter(({ was, name }) => was === '' && name !== '').map(({ name }) => name);
  const known = new Set(draft.attributes.map(({ name }) => name));
  return {
    ...draft,
    steps: draft.steps.map((step) => ({
      ...step,
      actions: step.actions.map((action) => {
        const taken = step.kind === 'dataImport' ? added : [];
        const sets = [...new Set([...action.sets, ...taken])].filter((name) => known.has(name));
        return { ...action, sets, requires: action.requires.filter((name) => sets.includes(name)) };
      }),
    })),
  };
}

/** The draft after a button: `add:steps.0.actions`, `add:steps.0.actions.1.behaviors:webhook`, `remove:attributes.3`. */
export function changedDraft(draft: WorkflowDraft, button: string): WorkflowDraft {
  const [, verb, path = '', kind] = /^(add|remove):([\w.]+)(?::(\w+))?$/.exec(button) ?? [];
  const copy = structuredClone(draft);
  const steps = path.split('.');
  const index = verb === 'remove' ? Number(steps.pop()) : -1;
  const parts = steps.reduce<unknown>(
    (node, name) => (node as Record<string, unknown> | undefined)?.[name],
    copy,
  );
  if (!Array.isArray(parts)) return draft;
  if (verb === 'remove') parts.splice(index, 1);
  else parts.push(newPart(copy, steps, kind));
  return withNewFields(copy);
}

function newPart(draft: WorkflowDraft, path: readonly string[], kind: string | undefined): unknown {
  switch (path.at(-1)) {
    case 'identifiers':
      return { was: '', name: '', unique: true, email: false, caseInsensitive: false };
    case 'attributes':
      return newAttribute();
    case 'steps':
      return { was: '', name: '', kind: 'dataEntry', actsOnTerminal: false, actions: [] };
    case 'actions': {
      const ids = draft.steps.flatMap(({ actions }) => actions.map(({ id }) => Number(id) || 0));
      const isImport = draft.steps[Number(path[1])]?.kind === 'dataImport';
      const names = draft.attributes.map(({ name }) => name).filter((name) => name !== '');
      return newAction(Math.max(0, ...ids) + 1, isImport ? names : []);
    }
    case 'rules':
      return { when: NO_CONDITIONS, require: { join: 'all', conditions: [newCondition()] }, message: '' };
    case 'behaviors':
      return newBehavior(BEHAVIOR_KINDS.find((known) => known === kind) ?? 'sendEmail');
    default:
      return newCondition();
  }
}
