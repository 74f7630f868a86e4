import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsISO8601, IsNumber, IsOptional, Matches, Max, Min } from 'class-validator';
import { Transform } from 'class-transformer';
import { type BatchControl, PRIORITIES, type Priority } from '../batches/batch-control.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { Integer } from '../platform/http/validation.js';

/** A time with its offset. */
const IsTime = (name: string): PropertyDecorator => {
  const message = `${name} must be an RFC 3339 time such as 2026-11-28T22:00:00Z`;
  return (target, property) => {
    IsISO8601({ strict: true, strictSeparator: true }, { message })(target, property);
    Matches(/^[1-9]\d{3}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/i, { message })(target, property);
  };
};

const MOST_RECORDS = 2_147_483_647;

/** How a batch is to be run, as parameters of CreateBatch, Uploads and Confirm. */
export class RunControlDto {
  @ApiPropertyOptional({
    description:
      'The share of the workers that the batch gets beside others. Default: that of the import process.',
    enum: PRIORITIES,
  })
  @IsOptional()
  @IsIn(PRIORITIES, { message: `priority must be one of ${PRIORITIES.join(', ')}` })
  priority?: Priority;

  @ApiPropertyOptional({ description: 'No record is processed earlier.', format: 'date-time' })
  @IsOptional()
  @IsTime('notBefore')
  notBefore?: string;

  @ApiPropertyOptional({
    description: 'Records that still wait then are canceled; the batch ends with `failureReason` `expired`.',
    format: 'date-time',
  })
  @IsOptional()
  @IsTime('expiresAt')
  expiresAt?: string;

  @ApiPropertyOptional({
    description:
      'The batch pauses (`error_budget`) when more records than this have failed or are invalid. Default: as the import process says.',
    type: 'integer',
    minimum: 0,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'maxFailed must be a whole number, 0 or more' })
  @Min(0, { message: 'maxFailed must be a whole number, 0 or more' })
  @Max(MOST_RECORDS, { message: `maxFailed must be at most ${MOST_RECORDS}` })
  maxFailed?: number;

  @ApiPropertyOptional({
    description: 'Like `maxFailed`, in percent of all records of the batch.',
    minimum: 0,
    maximum: 100,
    type: 'number',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? (/^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN) : value,
  )
  @IsNumber({}, { message: 'maxFailedPercent must be a number from 0 to 100' })
  @Min(0, { message: 'maxFailedPercent must be a number from 0 to 100' })
  @Max(100, { message: 'maxFailedPercent must be a number from 0 to 100' })
  maxFailedPercent?: number;

  @ApiPropertyOptional({
    description:
      'The batch pauses (`canary`) when this many of its first valid records have been processed, so that you can look at them before the others.',
    type: 'integer',
    minimum: 1,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'canary must be a whole number, 1 or more' })
  @Min(1, { message: 'canary must be a whole number, 1 or more' })
  @Max(MOST_RECORDS, { message: `canary must be at most ${MOST_RECORDS}` })
  canary?: number;

  @ApiPropertyOptional({
    description: 'Actions send neither mails nor webhooks for these records.',
    enum: ['true', 'false'],
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'muteBehaviors must be true or false' })
  muteBehaviors?: string;
}

/**
 * The wishes of a call; absent ones are undefined.
 * @throws DomainError 400 `invalid_parameter` if the batch would expire before it may start
 */
export function readControl(dto: RunControlDto): Partial<BatchControl> {
  const { priority, maxFailed, maxFailedPercent, canary, muteBehaviors } = dto;
  const notBefore = dto.notBefore === undefined ? undefined : new Date(dto.notBefore);
  const expiresAt = dto.expiresAt === undefined ? undefined : new Date(dto.expiresAt);
  if (notBefore !== undefined && expiresAt !== undefined) assertStartsInTime({ notBefore, expiresAt });
  return {
    ...{ priority, maxFailed, maxFailedPercent, canary, notBefore, expiresAt },
    muteBehaviors: muteBehaviors === undefined ? undefined : muteBehaviors === 'true',
  };
}

/** @throws DomainError 400 `invalid_parameter` if the batch would expire before it may start */
export function assertStartsInTime({
  notBefore,
  expiresAt,
}: Pick<BatchControl, 'notBefore' | 'expiresAt'>): void {
  if (notBefore === null || expiresAt === null || expiresAt > notBefore) return;
  const message = 'expiresAt must be later than notBefore';
  throw invalidParameters([{ parameter: 'expiresAt', code: 'invalid_parameter', message }]);
}
