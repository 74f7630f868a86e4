import { Injectable } from '@nestjs/common';
import { ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { Integer, PathIdPipe } from '../../platform/http/validation.js';
import { INSTANCE_STATUSES, type InstanceStatus } from '../definition.js';
import { behaviorNotFound, workflowInstanceNotFound } from '../definition/workflow.errors.js';

/** The id of an instance in a path. */
@Injectable()
export class InstanceIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return workflowInstanceNotFound(undefined, id);
  }
}

/** The id of a behavior in a path. */
@Injectable()
export class BehaviorIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return behaviorNotFound(id);
  }
}

/** One page of a list. */
export class PageDto {
  @ApiPropertyOptional({
    description: 'The most items of a page. A page with very large items ends earlier and has a nextCursor.',
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 200' })
  @Min(1, { message: 'limit must be an integer from 1 to 200' })
  @Max(200, { message: 'limit must be an integer from 1 to 200' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;
}

/** The query of `GET /API/Workflows/{name}/Instances`. */
export class ListInstancesDto extends PageDto {
  @ApiPropertyOptional({
    description: 'Name of an identifier, a colon, and its value.',
    example: ':Email:ada@example.org',
  })
  @IsOptional()
  @Length(3, 2000, {
    message: 'identifier must be a name, a colon and a value, such as :Email:ada@example.org',
  })
  @Matches(/^[^\0]*$/, { message: 'identifier must not contain the character U+0000' })
  identifier?: string;

  @ApiPropertyOptional({
    description:
      'Name of an attribute, a colon, and a value as in a CSV cell. Without a value after the colon: the instances ' +
      'that have none. There is no index: a large workflow is read instance by instance until the page is full.',
    example: 'Level:Fellow',
  })
  @IsOptional()
  @Length(2, 2000, { message: 'attribute must be a name, a colon and a value, such as Level:Fellow' })
  @Matches(/^[^\0]*$/, { message: 'attribute must not contain the character U+0000' })
  attribute?: string;

  @ApiPropertyOptional({ enum: INSTANCE_STATUSES })
  @IsOptional()
  @IsIn(INSTANCE_STATUSES, { message: `status must be one of ${INSTANCE_STATUSES.join(', ')}` })
  status?: InstanceStatus;
}

/** The query of `GET /API/Workflows/{name}/Instances/Export`. */
export class ExportInstancesDto extends PickType(ListInstancesDto, [
  'attribute',
  'identifier',
  'status',
] as const) {
  @ApiPropertyOptional({ enum: ['jsonl', 'csv', 'xlsx'], default: 'jsonl' })
  @IsOptional()
  @IsIn(['jsonl', 'csv', 'xlsx'], { message: 'format must be jsonl, csv or xlsx' })
  format: 'jsonl' | 'csv' | 'xlsx' = 'jsonl';
}
