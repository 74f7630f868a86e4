import 'reflect-metadata';
import { Type } from 'class-transformer';
import { ArrayNotEmpty, IsIn, IsOptional, Length, ValidateNested } from 'class-validator';
import { DomainError } from '../errors.js';
import { validateBody } from './validation.js';

class ColumnDto {
  @Length(1, 3, { message: 'name must have 1 to 3 characters' })
  name!: string;
}

class ThingDto {
  @Length(1, 5, { message: 'name must have 1 to 5 characters' })
  name!: string;

  @IsOptional()
  @ArrayNotEmpty()
  @IsIn(['a', 'b'], { each: true, message: 'kinds must be a or b' })
  kinds?: string[];

  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => ColumnDto)
  columns?: ColumnDto[];
}

function refusal(body: unknown): DomainError {
  try {
    validateBody(ThingDto, body);
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('validateBody', () => {
  it('makes the DTO', () => {
    expect(validateBody(ThingDto, { name: 'x', kinds: ['a'] })).toEqual({ name: 'x', kinds: ['a'] });
  });

  it('points at every wrong member at once', () => {
    const error = refusal({
      name: 'much too long',
      kinds: ['c'],
      columns: [{ name: 'ok' }, { name: '' }],
      'a/b': 1,
    });
    expect(error.code).toBe('invalid_body');
    expect(error.options.errors?.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/a~1b unknown_member',
      '/name invalid_value',
      '/kinds invalid_value',
      '/columns/1/name invalid_value',
    ]);
  });

  it('tells a missing member from a wrong one', () => {
    expect(refusal({}).options.errors).toEqual([
      { pointer: '/name', code: 'missing_value', message: 'name is required' },
    ]);
  });

  it.each([[[]], ['text'], [null], [3]])('refuses %j, which is no object', (body) => {
    expect(refusal(body).code).toBe('invalid_body');
  });

  it('says how to send a body when there is none', () => {
    expect(refusal(undefined).code).toBe('missing_body');
  });

  it('lists at most 100 errors and counts all', () => {
    const body = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`x${index}`, 1]));
    const error = refusal({ name: 'x', ...body });
    expect(error.options.errors).toHaveLength(100);
    expect(error.options.errorCount).toBe(250);
  });

  it('sets no prototype', () => {
    const error = refusal(JSON.parse('{"name":"x","__proto__":{"polluted":true}}'));
    expect(error.options.errors?.[0]?.pointer).toBe('/__proto__');
  });
});
