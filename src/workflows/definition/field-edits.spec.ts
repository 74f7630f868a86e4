import { grantRole } from '../../../test/support/grant-role-definition.js';
import { readDefinition } from './definition-reader.js';
import { definitionChanges, type FieldEdit, isRequired, withFields } from './field-edits.js';

const definition = grantRole({
  grant: {
    required: ['First Name'],
    behaviors: [
      { kind: 'sendEmail', to: ':Email', subject: 'Hello {{First Name}}', template: 'Dear {{ First Name }}' },
      { kind: 'setAttribute', name: 'Notes', value: '{{Last Name}}' },
    ],
  },
});
const edits = (change: (edit: FieldEdit) => Partial<FieldEdit> = () => ({})): FieldEdit[] =>
  definition.attributes.map(({ name, type, options = [] }) => {
    const edit = { was: name, name, type, options, required: isRequired(definition, name), removed: false };
    return { ...edit, ...change(edit) };
  });
const fresh: FieldEdit = {
  was: null,
  name: 'Team',
  type: 'PickList',
  options: ['A'],
  required: true,
  removed: false,
};

describe('the edited fields of a workflow', () => {
  it('change nothing if nothing was edited', () => {
    expect(readDefinition(withFields(definition, edits())).definition).toEqual(
      readDefinition(definition).definition,
    );
  });

  it('follow a new name in actions and behaviors', () => {
    const renamed = withFields(
      definition,
      edits(({ was }) => (was === 'First Name' ? { name: 'Given Name' } : {})),
    );
    const [action] = renamed.steps.flatMap(({ actions }) => actions);
    expect(action).toMatchObject({
      required: ['Given Name'],
      behaviors: [{ subject: 'Hello {{Given Name}}', template: 'Dear {{Given Name}}' }, { name: 'Notes' }],
    });
    expect(action?.inputs).toContain('Given Name');
    expect(readDefinition(renamed).definition.attributes[0]).toEqual({
      name: 'Given Name',
      type: 'ShortText',
      maxLength: 100,
    });
  });

  it('are added to imports, removed everywhere, and lose what their type does not have', () => {
    const changed = withFields(definition, [
      ...edits(({ was }) => {
        if (was === 'Notes' || was === 'Last Name') return { removed: true };
        return was === 'Level' || was === 'Hours' ? { type: 'ShortText' as const } : {};
      }),
      fresh,
    ]);
    const [action] = changed.steps.flatMap(({ actions }) => actions);
    expect(action?.inputs).toEqual(['First Name', 'Date Of Birth', 'Hours', 'Level', 'Team']);
    expect(action?.required).toEqual(['First Name', 'Team']);
    expect(changed.attributes.find(({ name }) => name === 'Level')).toEqual({
      name: 'Level',
      type: 'ShortText',
    });
    expect(changed.attributes.find(({ name }) => name === 'Hours')).toEqual({
      name: 'Hours',
      type: 'ShortText',
    });
    expect(definitionChanges(definition, changed)).toEqual({
      added: ['Team'],
      removed: ['Last Name', 'Notes'],
      changed: ['Hours', 'Level', 'Import › Grant'],
    });
  });
});
