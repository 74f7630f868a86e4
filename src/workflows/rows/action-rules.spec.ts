import type { JsonObject } from '../../common/json.js';
import { compileJsonSchema } from '../../common/json-schema.js';
import { compileRuledGrant, parsed, refusal } from '../../../test/support/grant-role.js';
import { compileRules } from './action-rules.js';

const LEVEL_IS_FELLOW = { properties: { Level: { const: 'Fellow' } }, required: ['Level'] };

const ruled = compileRuledGrant([
  { when: LEVEL_IS_FELLOW, require: { required: ['Born'] }, message: 'A fellow must have a day of birth.' },
  {
    when: { required: ['Hours'] },
    require: { properties: { Hours: { type: 'number' } }, not: { required: ['a/b~c'] } },
    message: 'Hours are numbers and exclude the other.',
  },
]);

describe('the rules of an action', () => {
  it.each<[string, JsonObject]>([
    ['that are for others', { Level: 'Associate' }],
    ['that it meets', { Level: 'Fellow', Born: '2000-02-29' }],
    ['that ask for a column, be it empty: they see the row as it was sent', { Level: 'Fellow', Born: '' }],
  ])('accept a row %s', (_, row) => {
    expect(refusal({ 'First Name': 'Ada', ...row }, ruled)).toBeNull();
    expect(parsed({ 'First Name': 'Ada', ...row }, ruled).action.name).toBe('Grant');
  });

  it.each<[string, JsonObject, string, string | undefined]>([
    ['what is missing', { Level: 'Fellow' }, 'A fellow must have a day of birth.', '/Born'],
    ['what is wrong', { Hours: '7' }, 'Hours are numbers and exclude the other.', '/Hours'],
    [
      'nothing when it is the row',
      { Hours: 7, 'a/b~c': 'x' },
      'Hours are numbers and exclude the other.',
      undefined,
    ],
    ['the first of two', { Level: 'Fellow', Hours: '7' }, 'A fellow must have a day of birth.', '/Born'],
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
    expect(refusal({ 'First Name': 'Ada', Born: '' }, narrowed)?.code).toBe('record_schema');
  });

  it('are for their action only', () => {
    const either = compileRuledGrant([{ when: {}, require: { not: {} }, message: 'No.' }], null, {});
    expect(refusal({ ':WorkflowActionName': 'Revoke', Reason: 'left' }, either)).toBeNull();
    expect(refusal({ ':WorkflowActionName': 'Grant', 'First Name': 'Ada' }, either)?.code).toBe(
      'rule_violated',
    );
  });

  it('are part of the JSON Schema of a row, each with references of its own', () => {
    const rule = {
      when: LEVEL_IS_FELLOW,
      require: {
        $id: 'https://example.org/same',
        $defs: { short: { maxLength: 2 } },
        properties: { 'First Name': { $ref: '#/$defs/short' } },
      },
      message: 'Short.',
    };
    const violation = compileJsonSchema(compileRuledGrant([rule, rule], { required: [':UniqueId'] }).schema);
    const row = { 'First Name': 'Ada', ':UniqueId': 'A' };
    expect(violation(row)).toBeNull();
    expect(violation({ ...row, Level: 'Fellow', 'First Name': 'Jo' })).toBeNull();
    expect(violation({ ...row, Level: 'Fellow' })).not.toBeNull();
    expect(violation({ 'First Name': 'Ada' })).not.toBeNull();
  });

  it('are nothing to check where there are none', () => {
    expect([compileRules(), compileRules([])]).toEqual([null, null]);
  });
});
