import { ATTRIBUTE_TYPES, type AttributeType } from '../../workflows/definition.js';
import { text, type TextKey } from '../texts/catalogue.js';
import { OPERATORS } from './conditions.js';
import { type Control, FormControls, inputId } from './form-controls.js';
import {
  type ActionDraft,
  BEHAVIOR_KINDS,
  type BehaviorDraft,
  type Mistake,
  PRIMARY_KINDS,
  type SchemaDraft,
  type StepDraft,
  type WorkflowDraft,
} from './workflow-draft.js';

const ADDRESS_TYPES: readonly AttributeType[] = ['Email', 'ShortText', 'LongText'];

/** The model of the form of a workflow: every input with its name, its label and what is wrong with it. */
export class WorkflowFormView extends FormControls {
  /** @param how the button that was pressed, and whether the workflow is new */
  constructor(
    private readonly draft: WorkflowDraft,
    private readonly mistakes: readonly Mistake[],
    private readonly how: { button: string; isNew: boolean },
  ) {
    super();
  }

  model() {
    this.build();
    const summary = this.settle(this.mistakes, this.how.button);
    return { ...this.build(), summary };
  }

  private build() {
    const { name, title, entityType, version, identifiers, attributes, steps } = this.draft;
    return {
      version,
      about: [
        this.control('title', text('workflowForm.workflowTitle'), {
          value: title,
          hint: text('workflowForm.titleHint'),
        }),
        ...(this.how.isNew
          ? [
              this.control('name', text('workflowForm.name'), {
                value: name,
                hint: text('workflowForm.nameHint'),
              }),
            ]
          : []),
        this.control('entityType', text('workflowForm.entityType'), {
          value: entityType,
          hint: text('workflowForm.entityTypeHint'),
        }),
      ],
      fixedName: this.how.isNew ? null : name,
      identifiers: identifiers.map((identifier, index) => {
        const place = `identifiers.${index}`;
        return {
          ...this.part(place, identifier.was, identifier.name || text('workflowForm.newIdentifier')),
          name: this.control(`${place}.name`, text('common.name'), { value: identifier.name }),
          checks: [
            this.check(`${place}.unique`, text('workflowForm.unique'), identifier.unique),
            this.check(`${place}.email`, text('workflowForm.email'), identifier.email),
            this.check(
              `${place}.caseInsensitive`,
              text('workflowForm.caseInsensitive'),
              identifier.caseInsensitive,
            ),
          ],
        };
      }),
      attributes: attributes.map((attribute, index) => {
        const place = `attributes.${index}`;
        const label = attribute.name || text('fieldTable.newField');
        const more = (member: 'maxLength' | 'minimum' | 'maximum') =>
          this.control(`${place}.${member}`, text(`workflowForm.${member}`), { value: attribute[member] });
        return {
          ...this.part(place, attribute.was, label),
          name: this.control(`${place}.name`, text('fieldTable.nameOf', { name: label }), {
            value: attribute.name,
            isSlim: true,
          }),
          type: this.choice(
            `${place}.type`,
            text('fieldTable.typeOf', { name: label }),
            attribute.type,
            ATTRIBUTE_TYPES.map((type) => [type, text(`fieldTable.types.${type}`)]),
            { isSlim: true },
          ),
          options: this.control(`${place}.options`, text('fieldTable.options'), {
            control: 'area',
            rows: 3,
            value: attribute.options,
          }),
          description: this.control(`${place}.description`, text('workflowForm.description'), {
            value: attribute.description,
          }),
          maxLength: more('maxLength'),
          minimum: more('minimum'),
          maximum: more('maximum'),
          isOpen: ['description', 'maxLength', 'minimum', 'maximum'].some((member) =>
            this.errors.has(`${place}.${member}`),
          ),
        };
      }),
      steps: steps.map((step, index) => this.step(step, index)),
    };
  }

  private part(place: string, was: string, label: string) {
    return { place, was, label, removeLabel: text('workflowForm.remove', { name: label }) };
  }

  private step(step: StepDraft, index: number) {
    const place = `steps.${index}`;
    const label = step.name || text('workflowForm.newStep');
    return {
      ...this.part(place, step.was, label),
      name: this.control(`${place}.name`, text('common.name'), { value: step.name }),
      kind: this.choice(
        `${place}.kind`,
        text('workflowForm.kind'),
        step.kind,
        [
          ['dataImport', text('workflowForm.dataImport')],
          ['dataEntry', text('workflowForm.dataEntry')],
        ],
        { hint: text('workflowForm.kindHint') },
      ),
      actsOnTerminal: this.check(
        `${place}.actsOnTerminal`,
        text('workflowForm.actsOnTerminal'),
        step.actsOnTerminal,
      ),
      actions: step.actions.map((action, number) => this.action(action, `${place}.actions.${number}`)),
    };
  }

  private action(action: ActionDraft, place: string) {
    const label = action.name || text('workflowForm.newAction');
    const names = this.draft.attributes.map(({ name }) => name).filter((name) => name !== '');
    const ordered = [
      ...action.sets.filter((name) => names.includes(name)),
      ...names.filter((name) => !action.sets.includes(name)),
    ];
    this.shown.add(`${place}.sets`);
    this.shown.add(`${place}.requires`);
    return {
      ...this.part(place, action.was, label),
      name: this.control(`${place}.name`, text('common.name'), { value: action.name }),
      number: this.control(`${place}.id`, text('workflowForm.id'), {
        value: action.id,
        hint: text('workflowForm.idHint'),
      }),
      fieldsId: inputId(`${place}.sets`),
      fieldsError: [this.errors.get(`${place}.sets`), this.errors.get(`${place}.requires`)]
        .filter(Boolean)
        .join('; '),
      fields: ordered.map((name) => ({
        name,
        sets: action.sets.includes(name),
        requires: action.requires.includes(name),
        setsLabel: text('workflowForm.setsOf', { name }),
        requiresLabel: text('fieldTable.requiredOf', { name }),
      })),
      primary: this.choice(
        `${place}.primary`,
        text('workflowForm.primary'),
        action.primary,
        PRIMARY_KINDS.map((kind) => [kind, text(`workflowForm.primaries.${kind}`)]),
      ),
      primaryStep: this.choice(`${place}.primaryStep`, text('workflowForm.primaryStep'), action.primaryStep, [
        ['', text('workflowForm.chooseStep')],
        ...this.draft.steps
          .filter(({ kind, name }) => kind === 'dataEntry' && name !== '')
          .map(({ name }): [string, string] => [name, name]),
      ]),
      rules: action.rules.map((rule, index) => {
        const at = `${place}.rules.${index}`;
        return {
          ...this.part(at, '', text('workflowForm.rule', { number: index + 1 })),
          when: this.schema(rule.when, `${at}.when`),
          require: this.schema(rule.require, `${at}.require`),
          message: this.control(`${at}.message`, text('workflowForm.message'), {
            value: rule.message,
            hint: text('workflowForm.messageHint'),
          }),
        };
      }),
      behaviors: action.behaviors.map((behavior, index) =>
        this.behavior(behavior, `${place}.behaviors.${index}`),
      ),
      behaviorButtons: BEHAVIOR_KINDS.map((kind) => ({
        value: `add:${place}.behaviors:${kind}`,
        text: text(`workflowForm.behaviors.${kind}.add`),
      })),
    };
  }

  private schema({ join, conditions, json }: SchemaDraft, place: string) {
    this.shown.add(place);
    const isWhen = place.endsWith('when');
    return {
      place,
      id: inputId(place),
      legend: text(isWhen ? 'workflowForm.when' : 'workflowForm.require'),
      error: this.errors.get(place),
      json:
        json === undefined
          ? null
          : this.control(`${place}.json`, text('workflowForm.asJson'), {
              control: 'area',
              rows: 6,
              value: json,
              hint: text('workflowForm.asJsonHint'),
            }),
      always: json === undefined && isWhen && conditions.length === 0,
      join:
        conditions.length < 2
          ? null
          : this.choice(`${place}.join`, text('workflowForm.join'), join, [
              ['all', text('workflowForm.joinAll')],
              ['any', text('workflowForm.joinAny')],
            ]),
      conditions: conditions.map(({ field, operator, value }, index) => {
        const at = `${place}.conditions.${index}`;
        const number = index + 1;
        return {
          ...this.part(at, '', text('workflowForm.condition', { number })),
          field: this.choice(
            `${at}.field`,
            text('workflowForm.conditionField', { number }),
            field,
            [['', text('workflowForm.chooseField')], ...this.fieldChoices()],
            { isSlim: true },
          ),
          operator: this.choice(
            `${at}.operator`,
            text('workflowForm.conditionOperator', { number }),
            operator,
            OPERATORS.map((known) => [known, text(`workflowForm.operators.${known}`)]),
            { isSlim: true },
          ),
          value: this.control(`${at}.value`, text('workflowForm.conditionValue', { number }), {
            value,
            isSlim: true,
          }),
        };
      }),
    };
  }

  private fieldChoices(isShown: (type: AttributeType) => boolean = () => true): [string, string][] {
    return [
      ...this.draft.identifiers
        .filter(({ name }) => name !== '')
        .map(({ name }): [string, string] => [`:${name}`, name]),
      ...this.draft.attributes
        .filter(({ name, type }) => name !== '' && isShown(type))
        .map(({ name }): [string, string] => [name, name]),
    ];
  }

  private behavior(behavior: BehaviorDraft, place: string) {
    const of = (member: keyof BehaviorDraft) => `${place}.${member}`;
    const { kind } = behavior;
    const placeholders = [...this.fieldChoices().map(([name]) => `{{${name}}}`), '{{now}}'].join(' ');
    return {
      ...this.part(place, '', text(`workflowForm.behaviors.${kind}.title`)),
      kindName: of('kind'),
      kind,
      placeholders: kind === 'sendEmail' || kind === 'setAttribute' ? placeholders : null,
      controls: this.behaviorControls(behavior, of),
    };
  }

  private behaviorControls(behavior: BehaviorDraft, of: (member: keyof BehaviorDraft) => string): Control[] {
    const actions = this.draft.steps.flatMap((step) => step.actions.map(({ name }) => name)).filter(Boolean);
    const choose = (key: TextKey): [string, string] => ['', text(key)];
    switch (behavior.kind) {
      case 'sendEmail':
        return [
          this.choice(of('to'), text('workflowForm.mail.to'), behavior.to, [
            ...this.fieldChoices((type) => ADDRESS_TYPES.includes(type)),
            ['', text('workflowForm.mail.fixed')],
          ]),
          this.control(of('address'), text('workflowForm.mail.address'), {
            value: behavior.address,
            hint: text('workflowForm.mail.addressHint'),
          }),
          this.control(of('subject'), text('workflowForm.mail.subject'), { value: behavior.subject }),
          this.control(of('template'), text('workflowForm.mail.template'), {
            control: 'area',
            rows: 6,
            value: behavior.template,
          }),
        ];
      case 'setAttribute':
        return [
          this.choice(of('name'), text('workflowForm.set.field'), behavior.name, [
            choose('workflowForm.chooseField'),
            ...this.draft.attributes
              .filter(({ name }) => name !== '')
              .map(({ name }): [string, string] => [name, name]),
          ]),
          this.control(of('value'), text('workflowForm.set.value'), {
            value: behavior.value,
            hint: text('workflowForm.set.valueHint'),
          }),
        ];
      case 'webhook':
        return [
          this.control(of('url'), text('workflowForm.webhook.url'), { value: behavior.url }),
          this.control(of('secret'), text('workflowForm.webhook.secret'), {
            value: behavior.secret,
            hint: text('workflowForm.webhook.secretHint'),
          }),
        ];
      case 'performAction':
        return [
          this.choice(of('action'), text('workflowForm.perform.action'), behavior.action, [
            choose('workflowForm.chooseAction'),
            ...[...new Set(actions)].map((name): [string, string] => [name, name]),
          ]),
        ];
    }
  }
}
