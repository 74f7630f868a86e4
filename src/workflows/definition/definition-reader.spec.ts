import {
  changedDefinition,
  mistakesIn,
  usableDefinition,
} from '../../../test/support/workflow-definitions.js';
import type { DomainError } from '../../platform/errors.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import { readDefinition } from './definition-reader.js';

describe('readDefinition', () => {
  it('takes a definition that uses every member', () => {
    expect(readDefinition(usableDefinition())).toEqual({
      definition: usableDefinition(),
      version: undefined,
    });
  });

  it('takes the version an edited definition came from, apart from the definition', () => {
    expect(readDefinition({ ...usableDefinition(), version: 3 })).toEqual({
      definition: usableDefinition(),
      version: 3,
    });
  });

  it('names every mistake at once, each place once', () => {
    const mistakes = mistakesIn({
      ...usableDefinition(),
      name: 1,
      identifiers: [{ name: 'Email' }, null],
      attributes: [{ name: 'A', type: 'PickList' }],
      extra: true,
    });
    expect(mistakes.map((mistake) => mistake.split(':')[0])).toEqual([
      '/extra unknown_member',
      '/name invalid_value',
      '/identifiers/0/unique required',
      '/identifiers/1 invalid_value',
      '/identifiers/0/name invalid_name',
      '/attributes/0/options required',
      '/steps/1/actions/0/inputs/0 unknown_attribute',
      '/steps/1/actions/0/inputs/1 unknown_attribute',
      '/steps/1/actions/0/inputs/2 unknown_attribute',
    ]);
  });

  it('lists the first hundred mistakes and counts all of them', () => {
    try {
      readDefinition({
        ...usableDefinition(),
        attributes: Array.from({ length: 150 }, () => ({ type: 'Date' })),
      });
      throw new Error('accepted');
    } catch (error) {
      const { options } = error as DomainError;
      expect([options.errors?.length, options.errorCount]).toEqual([100, 153]);
    }
  });

  it('refuses to rename the workflow that is replaced', () => {
    expect(() => readDefinition(usableDefinition(), 'revoke-role')).toThrow(
      expect.objectContaining({
        options: expect.objectContaining({
          errors: [expect.objectContaining({ pointer: '/name', code: 'name_changed' })],
          errorCount: 1,
        }) as object,
      }),
    );
  });

  it.each([null, [], 'text', 1, undefined])('refuses %j, which is not an object', (source) => {
    expect(mistakesIn(source)).toEqual([' invalid_value: must be object']);
  });

  it('refuses definitions that are nested too deeply to read', () => {
    let options: JsonValue = [];
    for (let depth = 0; depth < 50_000; depth++) options = [options];
    expect(mistakesIn(changedDefinition('/attributes/3/options', options))).toEqual([
      ' nesting_too_deep: is nested too deeply',
    ]);
  });
});
