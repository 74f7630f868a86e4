import { compileRuledGrant, parsed, refusal } from '../../../test/support/grant-role.js';
import { compileJsonSchema } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { compileRules } from './action-plan.js';

const LEVEL_IS_FELLOW = { properties: { Level: { const: 'Fellow' } }, required: ['Level'] };

const ruled = compileRuledGrant([
  { when: LEVEL_IS_FELLOW, require: { required: ['Born'] }, message: 'A fellow must have a day of birth.' },
  {
    when: { required: ['Hours'] },
    require: { properties: { Hours: { type: 'number', maximum: 16 } }, not: { required: ['a/b~c'] } },
    message: 'Hours are few and exclude the other.',
  },
]);

/** Break it: in `readRow`, apply the rules to the row as it was sent. */
describe('the rules of an action', () => {
  it.each<[string, JsonObject]>([
    ['that are for others', { Level: 'Associate' }],
    ['that it meets', { Level: 'Fellow', Born: '2000-02-29' }],
    ['that ask for a number, be it written as a text', { Hours: '7' }],
    ['whose number is to be cleared', { Hours: '', 'a/b~c': 'x' }],
  ])('accept a row %s', (_, row) => {
    expect(refusal({ 'First Name': 'Ada', ...row }, ruled)).toBeNull();
    expect(parsed({ 'First Name': 'Ada', ...row }, ruled).action.name).toBe('Grant');
  });

  it.each<[string, JsonObject, string, string | undefined]>([
    ['what is missing', { Level: 'Fellow' }, 'A fellow must have a day of birth.', '/Born'],
    ['what is to be cleared', { Level: 'Fellow', Born: '' }, 'A fellow must have a day of birth.', '/Born'],
    ['what is wrong', { Hours: 17 }, 'Hours are few and exclude the other.', '/Hours'],
    [
      'what is wrong, written as a text',
      { Hours: '1.7e1' },
      'Hours are few and exclude the other.',
      '/Hours',
    ],
    [
      'what is wrong, however long it is',
      { Hours: `1${'0'.repeat(40)}` },
      'Hours are few and exclude the other.',
      '/Hours',
    ],
    [
      'nothing when it is the row',
      { Hours: 7, 'a/b~c': 'x' },
      'Hours are few and exclude the other.',
      undefined,
    ],
    ['the first of two', { Level: 'Fellow', Hours: '17' }, 'A fellow must have a day of birth.', '/Born'],
  ])('refuse a row with the message given, pointing at %s', (_, row, message, pointer) => {
    expect(refusal({ 'First Name': 'Ada', ...row }, ruled)).toEqual({
      code: 'rule_violated',
      message,
      ...(pointer !== undefined && { pointer }),
    });
  });

  it('come after what the values themselves must be', () => {
    expect(refusal({ 'First Name': 'Ada', Level: 'Fellow', Born: 'x' }, ruled)?.code).toBe('not_a_date');
  });

  it('come before what the import process demands besides', () => {
    const narrowed = compileRuledGrant([{ when: {}, require: { required: ['Born'] }, message: 'No.' }], {
      required: ['Hours'],
    });
    expect(refusal({ 'First Name': 'Ada' }, narrowed)?.code).toBe('rule_violated');
    expect(refusal({ 'First Name': 'Ada', Born: '2000-02-29' }, narrowed)?.code).toBe('record_schema');
  });

  it('are for their action only', () => {
    const either = compileRuledGrant([{ when: {}, require: { not: {} }, message: 'No.' }], null, {});
    expect(refusal({ ':WorkflowActionName': 'Revoke', Reason: 'left' }, either)).toBeNull();
    expect(refusal({ ':WorkflowActionName': 'Grant', 'First Name': 'Ada' }, either)?.code).toBe(
      'rule_violated',
    );
  });

  it('have references of their own', () => {
    const rule = {
      when: LEVEL_IS_FELLOW,
      require: {
        $id: 'https://example.org/same',
        $defs: { short: { maxLength: 2 } },
        properties: { 'First Name': { $ref: '#/$defs/short' } },
      },
      message: 'Short.',
    };
    const twice = compileRuledGrant([rule, rule]);
    expect(refusal({ 'First Name': 'Jo', Level: 'Fellow' }, twice)).toBeNull();
    expect(refusal({ 'First Name': 'Ada', Level: 'Fellow' }, twice)?.message).toBe('Short.');
  });

  it('are told in the JSON Schema of a row, which says of values only how they are written', () => {
    const { schema } = compileRuledGrant([{ when: {}, require: { required: ['Born'] }, message: 'No.' }]);
    expect(JSON.stringify(schema)).toContain('Action \\"Grant\\". No.');
    expect(compileJsonSchema(schema)({ 'First Name': 'Ada' })).toBeNull();
  });

  it('are nothing to check where there are none', () => {
    expect([compileRules(), compileRules([])]).toEqual([null, null]);
  });
});
