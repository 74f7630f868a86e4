import { grantRole } from '../../../test/support/grant-role-definition.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { definitionChanges, type WorkflowDefinition } from '../../workflows/definition.js';
import { readDefinition } from '../../workflows/definition/definition-reader.js';
import { type Conditions, conditionsOf, schemaOf, type TypeOf } from './conditions.js';
import { changedDraft, draftFrom } from './submitted-draft.js';
import { definitionFrom, draftOf } from './workflow-draft.js';
import { WorkflowFormView } from './workflow-form-view.js';

const types: TypeOf = (field) =>
  field === 'Hours'
    ? 'Numeric'
    : field === 'Active'
      ? 'Boolean'
      : field === 'Tags'
        ? 'MultiSelectList'
        : undefined;
const all = (...conditions: [string, string, string?][]) =>
  ({
    join: 'all',
    conditions: conditions.map(([field, operator, value = '']) => ({ field, operator, value })),
  }) as Conditions;

describe('conditions', () => {
  it.each<[Conditions, JsonObject]>([
    [all(), {}],
    [all(['Level', 'is', 'Fellow']), { properties: { Level: { const: 'Fellow' } }, required: ['Level'] }],
    [all(['Hours', 'filled']), { required: ['Hours'] }],
    [all(['Hours', 'empty']), { properties: { Hours: false } }],
    [
      all(['Hours', 'atLeast', '2.5'], ['Hours', 'atMost', '9']),
      { properties: { Hours: { minimum: 2.5, maximum: 9 } }, required: ['Hours'] },
    ],
    [all(['Active', 'is', 'true']), { properties: { Active: { const: true } }, required: ['Active'] }],
    [all(['Level', 'isNot', 'A']), { properties: { Level: { not: { const: 'A' } } } }],
    [all(['Level', 'noneOf', 'A; B']), { properties: { Level: { not: { enum: ['A', 'B'] } } } }],
    [all(['Hours', 'oneOf', '1; 2']), { properties: { Hours: { enum: [1, 2] } }, required: ['Hours'] }],
    [
      all(['Tags', 'contains', 'x']),
      { properties: { Tags: { contains: { const: 'x' } } }, required: ['Tags'] },
    ],
    [
      all(['Code', 'matches', '^a'], ['Code', 'matches', 'b$']),
      {
        properties: { Code: { pattern: '^a' } },
        required: ['Code'],
        allOf: [{ properties: { Code: { pattern: 'b$' } }, required: ['Code'] }],
      },
    ],
    [
      { ...all(['A', 'filled'], ['B', 'is', '1']), join: 'any' },
      { anyOf: [{ required: ['A'] }, { properties: { B: { const: '1' } }, required: ['B'] }] },
    ],
  ])('%j are the schema %j, and the schema is shown as them', (conditions, schema) => {
    expect(schemaOf(conditions, types)).toEqual(schema);
    expect(conditionsOf(schema, types)).toEqual(conditions);
  });

  it.each<JsonObject>([
    { properties: { Level: { const: 'A' } } },
    { properties: { Level: { minLength: 3 } }, required: ['Level'] },
    { properties: { Level: { const: 'A;B', title: 'x' } }, required: ['Level'] },
    { properties: { Level: { enum: ['A;B'] } }, required: ['Level'] },
    { properties: { Hours: { const: '1' } }, required: ['Hours'] },
    { not: { required: ['Level'] } },
    { anyOf: [{ required: ['A'] }], required: ['B'] },
    { if: { required: ['A'] }, then: { required: ['B'] } },
  ])('%j stays JSON', (schema) => {
    expect(conditionsOf(schema, types)).toBeUndefined();
  });

  it.each<[Conditions, string]>([
    [all(['', 'is', 'x']), 'field'],
    [all(['Level', 'is', ' ']), 'value'],
    [all(['Hours', 'is', 'many']), 'number'],
    [all(['Active', 'is', 'perhaps']), 'boolean'],
    [all(['Level', 'atLeast', '3']), 'notANumberField'],
  ])('%j have a fault: %s', (conditions, reason) => {
    expect(() => schemaOf(conditions, types)).toThrow(expect.objectContaining({ index: 0, reason }));
  });
});

/** What a browser sends of the form. */
function sentBy(draft: ReturnType<typeof draftOf>): Record<string, string | string[]> {
  const sent: Record<string, string | string[]> = {};
  const add = (name: string, value: string) => {
    const present = sent[name];
    sent[name] = present === undefined ? value : [present, value].flat();
  };
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if (Array.isArray(node)) return node.forEach(walk);
    const part = node as Record<string, unknown>;
    if (typeof part.control === 'string') {
      const chosen = (part.choices as { value: string; selected: boolean }[] | undefined)?.find(
        (c) => c.selected,
      );
      if (part.control !== 'check' || part.checked === true)
        add(part.name as string, chosen?.value ?? (part.value as string));
      return;
    }
    if (typeof part.was === 'string' && typeof part.place === 'string') add(`${part.place}.was`, part.was);
    if (typeof part.kindName === 'string') add(part.kindName, part.kind as string);
    if (Array.isArray(part.fields)) {
      for (const field of part.fields as { name: string; sets: boolean; requires: boolean }[]) {
        if (field.sets) add(`${part.place as string}.sets`, field.name);
        if (field.requires) add(`${part.place as string}.requires`, field.name);
      }
    }
    Object.values(part).forEach(walk);
  };
  walk(new WorkflowFormView(draft, [], { button: '', isNew: true }).model());
  return { ...sent, version: draft.version };
}

const rule = (when: JsonObject) => ({
  when,
  require: { required: ['Hours'] },
  message: 'a Fellow needs Hours',
});
const everything = {
  ...grantRole({
    grant: {
      required: ['First Name'],
      rules: [
        rule({ properties: { Level: { const: 'Fellow' } }, required: ['Level'] }),
        rule({ not: { required: ['Level'] } }),
      ],
      behaviors: [
        {
          kind: 'sendEmail',
          to: ':Email',
          subject: 'Hello {{First Name}}',
          template: 'Dear {{ First Name }},\n\nbye',
        },
        { kind: 'sendEmail', to: 'office@example.org', subject: 'New', template: '{{:UniqueId}}' },
        { kind: 'setAttribute', name: 'Notes', value: '{{Last Name}}' },
        { kind: 'webhook', url: 'https://hooks.example.org/a', secret: '********' },
      ],
    },
  }),
  version: 3,
};
const saved = (draft: ReturnType<typeof draftOf>) =>
  definitionFrom(draft).definition as unknown as WorkflowDefinition;

describe('the form of a workflow', () => {
  it('sends back the definition that it shows', () => {
    const { definition, mistakes } = definitionFrom(draftFrom(sentBy(draftOf(everything))));
    expect(mistakes).toEqual([]);
    expect(definition).toEqual(everything);
  });

  it('lets actions, rules and mails follow a new name', () => {
    const sent = sentBy(draftOf(everything));
    const of = (was: string) =>
      Object.keys(sent).find((key) => key.endsWith('.was') && sent[key] === was) ?? '';
    const renamed = saved(
      draftFrom({
        ...sent,
        [of('First Name').replace('.was', '.name')]: 'Given Name',
        [of('Level').replace('.was', '.name')]: 'Grade',
        [of(':Email').replace('.was', '.name')]: 'Mail',
      }),
    );
    const [action] = renamed.steps.flatMap(({ actions }) => actions);
    expect(action?.inputs).toContain('Given Name');
    expect(action).toMatchObject({
      required: ['Given Name'],
      rules: [{ when: { properties: { Grade: { const: 'Fellow' } }, required: ['Grade'] } }, {}],
      behaviors: [
        { to: ':Mail', subject: 'Hello {{Given Name}}', template: 'Dear {{Given Name}},\n\nbye' },
        {},
        {},
        {},
      ],
    });
  });

  it('adds a new field to imports, and takes a removed one from actions', () => {
    const draft = draftOf({ ...grantRole({ grant: { required: ['First Name'] } }), version: 1 });
    const added = changedDraft(draft, 'add:attributes');
    const sent = sentBy(added);
    const place = `attributes.${added.attributes.length - 1}`;
    const named = draftFrom({
      ...sent,
      [`${place}.name`]: 'Team',
      [`${place}.type`]: 'PickList',
      [`${place}.options`]: 'A\r\nB\r\n',
    });
    const removed = changedDraft(named, 'remove:attributes.0');
    const definition = readDefinition(saved(removed)).definition;
    expect(definition.attributes.at(-1)).toEqual({ name: 'Team', type: 'PickList', options: ['A', 'B'] });
    const [action] = definition.steps.flatMap(({ actions }) => actions);
    expect(action?.inputs).not.toContain('First Name');
    expect(action?.inputs).toContain('Team');
    expect(action?.required).toBeUndefined();
    expect(definitionChanges(everything, { ...definition, title: 'New' })).toMatchObject({
      added: ['Team'],
      removed: ['First Name'],
      changed: [{ name: '', members: ['title'] }, { name: 'Import › Grant' }],
    });
  });

  it('ignores buttons and inputs that no form has', () => {
    const draft = draftOf(everything);
    for (const button of ['add:__proto__', 'remove:steps.0.nothing.1', 'add:constructor.prototype', 'x']) {
      expect(changedDraft(draft, button)).toEqual(draft);
    }
    expect(draftFrom({ '__proto__.x': 'y', 'steps.0.__proto__.name': 'z' })).toMatchObject({ steps: [] });
  });
});
