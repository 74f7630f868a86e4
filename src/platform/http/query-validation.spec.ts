import { Transform } from 'class-transformer';
import { IsInt, IsOptional, Length, Matches, Min } from 'class-validator';
import { DomainError } from '../errors.js';
import { parseQuery } from './protocol.js';
import { validateQuery } from './validation.js';

class StartDto {
  @Length(1, 5, { message: 'fileName must have 1 to 5 characters' })
  fileName!: string;

  @Transform(({ value }) => Number(value))
  @IsInt({ message: 'importProcessId must be a positive integer' })
  @Min(1, { message: 'importProcessId must be a positive integer' })
  importProcessId!: number;

  @IsOptional()
  @Matches(/^[A-Z]+$/, { message: 'creationPath must be upper case' })
  creationPath?: string;

  @IsOptional()
  @IsInt()
  limit: number = 50;
}

function refusal(query: string): DomainError {
  try {
    validateQuery(StartDto, parseQuery(query));
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error(`${query} was accepted`);
}

const named = (error: DomainError) =>
  error.options.errors?.map(({ parameter, code }) => `${parameter}: ${code}`);

describe('validateQuery', () => {
  it('makes the DTO, converted and with its defaults', () => {
    const dto = validateQuery(StartDto, parseQuery('fileName=a&importProcessId=7'));
    expect(dto).toBeInstanceOf(StartDto);
    expect(dto).toEqual({ fileName: 'a', importProcessId: 7, limit: 50 });
  });

  it('names every wrong parameter in one answer', () => {
    const error = refusal('fileName=toolong&importProcessId=0&creationPath=a&creationPath=b&colour=red');
    expect(error.status).toBe(400);
    expect(named(error)).toEqual([
      'colour: unknown_parameter',
      'creationPath: repeated_parameter',
      'fileName: invalid_parameter',
      'importProcessId: invalid_parameter',
    ]);
  });

  it('says the same thing about one parameter once', () => {
    const [entry] = refusal('fileName=a&importProcessId=x').options.errors ?? [];
    expect(entry?.message).toBe('importProcessId must be a positive integer');
  });

  it.each([
    ['fileName=a&importProcessId=1&colour=red', 'unknown_parameter'],
    ['fileName=a&fileName=b&importProcessId=1', 'repeated_parameter'],
    ['importProcessId=1', 'missing_parameter'],
    ['fileName=&importProcessId=1', 'invalid_parameter'],
    ['fileName=a&importProcessId=1&creationPath=', 'invalid_parameter'],
  ])('answers %s with the one cause as its code: %s', (query, code) => {
    expect(refusal(query).code).toBe(code);
  });

  /** Break it: in `codeOf`, leave out `promised`; reverse `PROMISED_CODES`; leave out its second code. */
  it.each([
    ['importprocessid=1&fileName=&fileName=x', 'unknown_parameter'],
    ['filename=x&importProcessId=0', 'unknown_parameter'],
    ['fileName=a&fileName=b&importProcessId=0', 'repeated_parameter'],
    ['fileName=&creationPath=a', 'invalid_parameters'],
  ])('answers %s with the cause that counts most: %s', (query, code) => {
    expect(refusal(query).code).toBe(code);
  });

  /** Break it: in `validateQuery`, leave out `isWellFormed`; for the second, leave out `toWellFormed`. */
  it('refuses what is no UTF-8 in values, and shows none of it in names', () => {
    const error = refusal('fileName=%FF&importProcessId=1&creationPath=%ED%A0%80&colour%FF=x');
    expect(named(error)).toEqual([
      'colour\ufffd: unknown_parameter',
      'fileName: invalid_parameter',
      'creationPath: invalid_parameter',
    ]);
    expect(error.message.isWellFormed()).toBe(true);
    expect(validateQuery(StartDto, parseQuery('fileName=%EF%BF%BD&importProcessId=1')).fileName).toBe(
      '\ufffd',
    );
  });

  it('asks whether a near name was meant', () => {
    expect(refusal('fileName=a&importProcesId=1').message).toContain('did you mean importProcessId?');
  });

  it.each(['__proto__', 'constructor', 'toString', 'fileName[0]', 'a[b]'])(
    'knows no parameter named %s',
    (name) => {
      const error = refusal(`fileName=a&importProcessId=1&${encodeURIComponent(name)}=x`);
      expect(named(error)).toEqual([`${name}: unknown_parameter`]);
    },
  );
});
